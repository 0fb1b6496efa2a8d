import { controllerLeaderKey } from '../../src/schema/election.ts';
import type { Keyspace } from '../../src/store/keyspace.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { CallOptions, KeyRange, TxnRequest, TxnResult, WatchBatch, WatchOptions } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import type { SimClock } from './sim-clock.ts';

/** What goes wrong between a controller and the store. */
export interface Faults {
  /** Watch events are late, come twice, or the watch breaks. */
  unreliable: boolean;
  /** Watch events get lost without anybody noticing. */
  lossy: boolean;
}

/** A number in [0, 1). */
export type Random = () => number;

/** One controller's connection to the store: it may be cut after any write, and what it is told may be wrong. */
export class SimStore extends MemoryStore {
  readonly #clock: SimClock;
  readonly #faults: Faults;
  readonly #random: Random;
  /** Looks at the key space right after a transaction of the controller. */
  readonly #onTxn: (request: TxnRequest, apply: () => TxnResult) => TxnResult;
  /** Writes until the process dies; before or after the last of them reaches the store. */
  dieAfter: { writes: number; reaches: boolean } | undefined;
  onDeath = () => {};

  constructor(options: {
    readonly clock: SimClock;
    readonly keyspace: Keyspace;
    readonly faults: Faults;
    readonly random: Random;
    readonly onTxn: (request: TxnRequest, apply: () => TxnResult) => TxnResult;
  }) {
    super(options);
    this.#clock = options.clock;
    this.#faults = options.faults;
    this.#random = options.random;
    this.#onTxn = options.onTxn;
  }

  override async txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    options?.signal?.throwIfAborted();
    const dying = this.#countDown(request);
    if (dying && !this.dieAfter?.reaches) return this.#die();
    // The base class refuses what a disconnected client asks for.
    await this.identity(options);
    const result = this.#onTxn(request, () => this.keyspace.txn(request));
    return dying ? this.#die() : result;
  }

  #countDown(request: TxnRequest): boolean {
    const isPass = request.if.some(({ key }) => key === controllerLeaderKey) && request.then.length > 0;
    if (!this.dieAfter || !isPass) return false;
    this.dieAfter.writes -= 1;
    return this.dieAfter.writes <= 0;
  }

  #die(): never {
    this.disconnect();
    this.onDeath();
    throw new StoreError('unavailable', 'transaction: the process died');
  }

  override async *watch(
    range: KeyRange,
    fromRevision: bigint,
    options: WatchOptions,
  ): AsyncGenerator<WatchBatch, never, void> {
    for await (const batch of super.watch(range, fromRevision, options)) {
      if (this.#faults.lossy && this.#random() < 0.03) continue;
      if (this.#faults.unreliable) {
        const luck = this.#random();
        if (luck < 0.3) await this.#clock.sleep(luck * 5_000, options.signal);
        if (luck > 0.97) throw new StoreError('unavailable', `watch ${range.start}: the connection was lost`);
        if (luck > 0.85) yield batch;
      }
      yield batch;
    }
    throw new StoreError('unavailable', `watch ${range.start}: it ended`);
  }
}
