import type { Clock } from '../../time/clock.ts';
import type { LeaseGrantRequest, LeaseStatus } from '../messages.ts';
import type { GroupCommit } from '../mvcc/group-commit.ts';
import { NeedsOfRequests } from '../mvcc/needs.ts';
import type { StorageEngine } from '../storage/engine.ts';
import { type Deadline, DeadlineHeap } from './deadline-heap.ts';
import { endLease, grantLease, type Lessor, revokeLease } from './lessor.ts';

const checkpointEveryMs = 5000;
const retryMs = 1000;

interface Armed extends Deadline {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly ttl: bigint;
  expiresMs: number;
  /** What a server that starts after a crash would believe to be left of it. */
  keptMs: number;
}

export interface LocalLessorOptions {
  readonly engine: StorageEngine;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly newId: () => bigint;
}

/**
 * Leases, whose time passes only while the server runs. What is left of them is written down when they are granted and
 * when the server stops; of a lease that has lived through half its time without being renewed, also every few seconds.
 * A healthy lease therefore costs no writes, and after a crash none ends too early: what was written down is never less
 * than what was left, because a renewal that would make it so is answered only when it too is written down.
 */
export class LocalLessor implements Lessor {
  readonly #options: LocalLessorOptions;
  readonly #armed = new Map<bigint, Armed>();
  readonly #heap = new DeadlineHeap<Armed>();
  #isRunning = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(options: LocalLessorOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const { id, ttl, remainingMs } of await this.#options.engine.leases()) this.#arm(id, ttl, remainingMs);
  }

  async grant(request: LeaseGrantRequest): Promise<{ readonly id: bigint; readonly ttl: bigint }> {
    const lease = await grantLease(this.#options.commits, this.#options.newId, request);
    this.#arm(lease.id, lease.ttl, Number(lease.ttl) * 1000);
    return lease;
  }

  async revoke(id: bigint): Promise<{ readonly revision: bigint }> {
    const answer = await revokeLease(this.#options.commits, id);
    this.#armed.delete(id);
    return answer;
  }

  async keepAlive(id: bigint): Promise<bigint> {
    const lease = this.#armed.get(id);
    const now = this.#options.clock.monotonic();
    if (!lease || lease.expiresMs <= now) return 0n;
    lease.expiresMs = now + lease.ttlMs;
    if (lease.keptMs < lease.ttlMs) {
      const { ttl, ttlMs: remainingMs } = lease;
      const isKept = await this.#options.commits.submit({
        needs: (needs) => needs.lease(id),
        decide: (draft) => {
          if (!draft.lease(id)) return false;
          draft.putLease({ id, ttl, remainingMs });
          return true;
        },
      });
      if (!isKept) return 0n;
      lease.keptMs = remainingMs;
    }
    return lease.ttl;
  }

  async timeToLive(id: bigint, withKeys: boolean): Promise<LeaseStatus> {
    const lease = this.#armed.get(id);
    const leftMs = lease ? lease.expiresMs - this.#options.clock.monotonic() : 0;
    if (!lease || leftMs <= 0) return { ttl: -1n, grantedTtl: 0n, keys: [] };
    const needs = () => new NeedsOfRequests(true).leaseWithKeys(id);
    const keys = withKeys ? await this.#options.engine.read(needs, (view) => view.keysOf(id)) : [];
    return { ttl: BigInt(Math.floor(leftMs / 1000)), grantedTtl: lease.ttl, keys };
  }

  async list(): Promise<readonly bigint[]> {
    return [...this.#armed.values()].sort((a, b) => a.expiresMs - b.expiresMs).map(({ id }) => id);
  }

  /** Ends leases whose time is over, and writes down what is left of the others, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    this.#isRunning = true;
    this.#setTimer();
    while (!signal.aborted) {
      await clock.sleep(checkpointEveryMs, signal).catch(() => {});
      if (!signal.aborted) await this.#checkpoint((lease, leftMs) => isNeglected(lease, leftMs)).catch(() => {});
    }
    this.#isRunning = false;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    // What cannot be written down lives longer than it should, not shorter.
    await this.#checkpoint((lease, leftMs) => leftMs < lease.keptMs).catch(() => {});
  }

  #arm(id: bigint, ttl: bigint, remainingMs: number): void {
    const expiresMs = this.#options.clock.monotonic() + remainingMs;
    const lease = { id, ttl, ttlMs: Number(ttl) * 1000, expiresMs, keptMs: remainingMs, lookAtMs: expiresMs };
    this.#armed.set(id, lease);
    this.#heap.push(lease);
    this.#setTimer();
  }

  #setTimer(): void {
    const first = this.#heap.first;
    if (!first || !this.#isRunning || first.lookAtMs >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = first.lookAtMs;
    this.#cancelTimer = this.#options.clock.after(first.lookAtMs - this.#options.clock.monotonic(), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#cancelTimer = undefined;
      this.#lookAtDue();
      this.#setTimer();
    });
  }

  #lookAtDue(): void {
    const now = this.#options.clock.monotonic();
    for (let lease = this.#heap.first; lease && lease.lookAtMs <= now; lease = this.#heap.first) {
      this.#heap.pop();
      if (this.#armed.get(lease.id) !== lease) continue;
      if (lease.expiresMs > now) {
        lease.lookAtMs = lease.expiresMs;
        this.#heap.push(lease);
      } else void this.#expire(lease);
    }
  }

  async #expire(lease: Armed): Promise<void> {
    const { id } = lease;
    try {
      await this.#options.commits.submit({
        needs: (needs) => needs.leaseWithKeys(id),
        decide: (draft) => {
          if (draft.lease(id)) endLease(draft, id);
        },
      });
      if (this.#armed.get(id) === lease) this.#armed.delete(id);
    } catch {
      // A full disk, say: it stays ended for its owner, and its keys go as soon as they can.
      lease.lookAtMs = this.#options.clock.monotonic() + retryMs;
      this.#heap.push(lease);
      this.#setTimer();
    }
  }

  async #checkpoint(isDue: (lease: Armed, leftMs: number) => boolean): Promise<void> {
    const now = this.#options.clock.monotonic();
    const due = [...this.#armed.values()].filter((lease) => isDue(lease, lease.expiresMs - now));
    if (due.length === 0) return;
    const left = new Map(due.map((lease) => [lease, Math.max(0, lease.expiresMs - now)]));
    // From here on a renewal knows that less is written down than it promises.
    for (const [lease, leftMs] of left) lease.keptMs = Math.min(lease.keptMs, leftMs);
    await this.#options.commits.submit({
      needs: (needs) => {
        for (const { id } of due) needs.lease(id);
      },
      decide: (draft) => {
        for (const [{ id, ttl }, remainingMs] of left) if (draft.lease(id)) draft.putLease({ id, ttl, remainingMs });
      },
    });
  }
}

function isNeglected({ ttlMs, keptMs }: Armed, leftMs: number): boolean {
  return leftMs < ttlMs / 2 && keptMs - leftMs >= Math.max(checkpointEveryMs, ttlMs / 20);
}
