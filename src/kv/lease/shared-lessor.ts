import type { Clock } from '../../time/clock.ts';
import type { LeaseGrantRequest, LeaseStatus } from '../messages.ts';
import type { GroupCommit } from '../mvcc/group-commit.ts';
import { NeedsOfRequests } from '../mvcc/needs.ts';
import type { SharedStore, StorageEngine } from '../storage/engine.ts';
import { endLease, grantLease, type Lessor, revokeLease } from './lessor.ts';

const lookEveryMs = 500;
/** So long without an answer, and clients may not have been able to renew. */
const outageMs = 2000;

export interface SharedLessorOptions {
  readonly engine: StorageEngine;
  readonly shared: SharedStore;
  readonly commits: GroupCommit;
  readonly clock: Clock;
  readonly newId: () => bigint;
}

/**
 * Leases of a store that several servers use: everything about them is there, any server renews and ends any lease, and
 * a renewal is a write. After a time in which the store could not be reached they all get their whole time again, as
 * etcd does it after an election.
 */
export class SharedLessor implements Lessor {
  readonly #options: SharedLessorOptions;

  constructor(options: SharedLessorOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {}

  grant(request: LeaseGrantRequest): Promise<{ readonly id: bigint; readonly ttl: bigint }> {
    return grantLease(this.#options.commits, this.#options.newId, request);
  }

  revoke(id: bigint): Promise<{ readonly revision: bigint }> {
    return revokeLease(this.#options.commits, id);
  }

  keepAlive(id: bigint): Promise<bigint> {
    return this.#options.commits.submit({
      needs: (needs) => needs.lease(id),
      decide: (draft) => {
        const lease = draft.lease(id);
        if (!lease || lease.remainingMs <= 0) return 0n;
        draft.putLease({ ...lease, remainingMs: Number(lease.ttl) * 1000 });
        return lease.ttl;
      },
    });
  }

  async timeToLive(id: bigint, withKeys: boolean): Promise<LeaseStatus> {
    const needs = () => (withKeys ? new NeedsOfRequests(true).leaseWithKeys(id) : new NeedsOfRequests(true).lease(id));
    return this.#options.engine.read(needs, (view) => {
      const lease = view.lease(id);
      if (!lease || lease.remainingMs <= 0) return { ttl: -1n, grantedTtl: 0n, keys: [] };
      const ttl = BigInt(Math.floor(lease.remainingMs / 1000));
      return { ttl, grantedTtl: lease.ttl, keys: withKeys ? view.keysOf(id) : [] };
    });
  }

  async list(): Promise<readonly bigint[]> {
    return (await this.#options.engine.leases()).map(({ id }) => id);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, shared } = this.#options;
    let answeredMs = clock.monotonic();
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        if (clock.monotonic() - answeredMs > outageMs) await shared.extendLeases();
        else await this.#endDue(await shared.dueLeases());
        answeredMs = clock.monotonic();
      } catch {
        // The store is away: nothing ends until it can be asked.
      }
    }
  }

  async #endDue(ids: readonly bigint[]): Promise<void> {
    const endOne = (id: bigint) =>
      this.#options.commits.submit({
        needs: (needs) => needs.leaseWithKeys(id),
        decide: (draft) => {
          const lease = draft.lease(id);
          // It may have been renewed meanwhile.
          if (lease && lease.remainingMs <= 0) endLease(draft, id);
        },
      });
    await Promise.all(ids.map(endOne));
  }
}
