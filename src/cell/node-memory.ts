import { defaultImage } from '../schema/binding.ts';
import type { InstanceId } from '../schema/ids.ts';
import type { ObservedNode } from '../schema/observed-node.ts';
import { isBroken } from '../schema/patroni.ts';

const firstDelayMs = 1000;
const longestDelayMs = 60_000;
// A node that ran for so long and then failed is not a node that cannot run.
const wellAfterMs = 60_000;

interface Held {
  readonly order: bigint;
  readonly untilMs: number;
  readonly why?: string;
}

/**
 * What the agent remembers of a node besides what its runtime sees: above all how often it failed, and so when it may be
 * started again: at once after the first failure, then later and later.
 */
export class NodeMemory {
  image = defaultImage;
  instance: InstanceId | undefined;
  stopping = false;
  /** The order on which PostgreSQL was last restarted in place. */
  restartedOn: bigint | undefined;
  /** What last went wrong. */
  lastError: string | undefined;
  #starts: number;
  #failures = 0;
  #startedMs: number | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #held: Held | undefined;
  #broken: string | undefined;

  /** Goes on from what an earlier agent said of the node. */
  constructor(report: ObservedNode | undefined) {
    this.instance = report?.instance;
    this.lastError = report?.last_error;
    this.#starts = report ? report.restarts + 1 : 0;
  }

  /** Starts after the first. */
  get restarts(): number {
    return Math.max(0, this.#starts - 1);
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** When the node may be started, monotonic. */
  get notBeforeMs(): number {
    return this.#notBeforeMs;
  }

  /** What the order at this revision needs is not here: nobody asks again before then. `why`: and may never be. */
  hold(held: Held): void {
    this.#held = held;
  }

  /** Until when the order at this revision is not carried out, monotonic. */
  heldUntilMs(order: bigint | undefined): number {
    return this.#held && this.#held.order === order ? this.#held.untilMs : Number.NEGATIVE_INFINITY;
  }

  /** Why a running node is not restarted as this revision orders. */
  heldBack(order: bigint | undefined): string | undefined {
    return this.#held && this.#held.order === order ? this.#held.why : undefined;
  }

  /** Patroni's word for why its PostgreSQL does not run, from when it fails until it runs or is made anew. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** Takes note of what Patroni says its PostgreSQL is doing; undefined when it does not answer. */
  heard(state: string | undefined): void {
    if (state === undefined) return;
    if (isBroken(state)) this.#broken = state;
    // Patroni tries again every few seconds, and each try looks like a start.
    else if (state !== 'starting') this.#broken = undefined;
  }

  started(nowMs: number): void {
    this.#held = undefined;
    this.#starts += 1;
    this.#broken = undefined;
    this.#startedMs = nowMs;
  }

  failed(error: string, nowMs: number): void {
    this.lastError = error;
    const ranWell = this.#startedMs !== undefined && nowMs - this.#startedMs > wellAfterMs;
    this.#failures = ranWell ? 1 : this.#failures + 1;
    this.#startedMs = undefined;
    const delayMs = this.#failures === 1 ? 0 : firstDelayMs * 2 ** Math.min(this.#failures - 2, 10);
    this.#notBeforeMs = nowMs + Math.min(delayMs, longestDelayMs);
  }
}
