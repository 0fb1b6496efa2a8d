import type { Clock } from '../time/clock.ts';
import type { Keyspace } from './keyspace.ts';
import type { Lease } from './store.ts';
import { StoreError } from './store-error.ts';

/** A lease of a `MemoryStore`: renewed all the time while its store is connected; from a disconnection on its ttl runs. */
export class MemoryLease implements Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly #keyspace: Keyspace;
  readonly #clock: Clock;
  readonly #beforeRevoke: (id: bigint) => void;
  readonly #lost = new AbortController();
  #renewedMs: number | undefined;
  #stopTimer = () => {};

  constructor(keyspace: Keyspace, clock: Clock, id: bigint, ttlSeconds: number, beforeRevoke: (id: bigint) => void) {
    this.id = id;
    keyspace.hold(id);
    this.ttlSeconds = ttlSeconds;
    this.#keyspace = keyspace;
    this.#clock = clock;
    this.#beforeRevoke = beforeRevoke;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lastRenewedMonotonicMs(): number {
    return this.#renewedMs ?? this.#clock.monotonic();
  }

  async revoke(): Promise<void> {
    this.#lose('revoked');
    this.#beforeRevoke(this.id);
    this.#stopTimer();
    this.#keyspace.revoke(this.id);
  }

  abandon(): void {
    this.disconnect();
    this.#lose('abandoned');
  }

  disconnect(): void {
    if (this.#renewedMs !== undefined) return;
    this.#renewedMs = this.#clock.monotonic();
    this.#stopTimer = this.#clock.after(this.ttlSeconds * 1000, () => {
      this.#lose('not renewed in time');
      this.#keyspace.release(this.id);
    });
  }

  reconnect(): void {
    if (this.lost.aborted) return;
    this.#stopTimer();
    this.#renewedMs = undefined;
  }

  expire(): void {
    this.#stopTimer();
    this.#renewedMs ??= this.#clock.monotonic();
    this.#stopTimer = this.#clock.after((this.ttlSeconds * 1000) / 3, () => this.#lose('expired'));
  }

  #lose(why: string): void {
    this.#lost.abort(new StoreError('lease-lost', `lease ${this.id} was ${why}`));
  }
}
