import { setMaxListeners } from 'node:events';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { fromBigInt, toBigInt } from './int64.ts';
import type { CallOptions, Lease } from './store.ts';
import { StoreError } from './store-error.ts';

/**
 * A granted lease that is kept alive. The server lets it run from the moment it hears of us, which is not before we
 * began to speak: so the time is counted from there, and the holder knows of the end before the keys are gone.
 */
export class EtcdLease implements Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly #connection: EtcdConnection;
  readonly #clock: Clock;
  readonly #lost = new AbortController();
  readonly #onClosed = () => this.#lose('is not renewed any more: the store is closed');
  #renewedMs: number;
  #lastFailure: unknown;
  #stopDeadline = () => {};

  constructor(connection: EtcdConnection, clock: Clock, id: bigint, ttlSeconds: number, grantedMs: number) {
    this.id = id;
    this.ttlSeconds = ttlSeconds;
    this.#connection = connection;
    this.#clock = clock;
    this.#renewedMs = grantedMs;
    setMaxListeners(0, connection.closed);
    connection.closed.addEventListener('abort', this.#onClosed);
    this.#armDeadline();
    void this.#renewUntilLost();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lastRenewedMonotonicMs(): number {
    return this.#renewedMs;
  }

  async revoke(options?: CallOptions): Promise<void> {
    this.#lose('was revoked');
    try {
      await this.#connection.call('leaseRevoke', { ID: fromBigInt(this.id) }, () => `revoke ${this.#name}`, options);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === 'lease-lost')) throw error;
    }
  }

  abandon(): void {
    this.#lose('was abandoned');
  }

  get #name(): string {
    return `lease ${this.id.toString(16)}`;
  }

  async #renewUntilLost(): Promise<void> {
    const everyMs = this.ttlSeconds * 250;
    const backoff = new Backoff({ baseMs: 100, capMs: everyMs });
    let waitMs = everyMs;
    while (!this.lost.aborted) {
      try {
        await this.#clock.sleep(waitMs, this.lost);
        const sentMs = this.#clock.monotonic();
        const ttl = await this.#keepAlive();
        if (this.lost.aborted) return;
        if (ttl <= 0) return this.#lose('has expired');
        this.#renewedMs = sentMs;
        this.#armDeadline();
        backoff.reset();
        waitMs = everyMs;
      } catch (error) {
        this.#lastFailure = error;
        waitMs = backoff.next();
      }
    }
  }

  /** Asks once and returns the seconds the server gives us, 0 when it does not know the lease. */
  async #keepAlive(): Promise<number> {
    const timeoutMs = Math.min(this.#connection.callTimeoutMs, this.ttlSeconds * 333);
    const attempted = () => `keep ${this.#name} alive`;
    const request = { ID: fromBigInt(this.id) };
    const { TTL } = await this.#connection.call('leaseKeepAlive', request, attempted, { timeoutMs, signal: this.lost });
    return Number(toBigInt(TTL));
  }

  #armDeadline(): void {
    this.#stopDeadline();
    const ttlMs = this.ttlSeconds * 1000;
    // Not at the last moment: those who act on it need some time, and timers are late.
    const atMs = this.#renewedMs + ttlMs - Math.min(1000, ttlMs / 10);
    this.#stopDeadline = this.#clock.after(atMs - this.#clock.monotonic(), () => {
      this.#lose('could not be renewed in time', this.#lastFailure);
    });
  }

  #lose(why: string, cause?: unknown): void {
    this.#stopDeadline();
    this.#connection.closed.removeEventListener('abort', this.#onClosed);
    this.#lost.abort(new StoreError('lease-lost', `${this.#name} ${why}`, { cause }));
  }
}
