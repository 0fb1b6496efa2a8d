import { eventKey, eventTtlSeconds, type HerdEvent } from '../schema/event.ts';
import { maxTxnOps, type Store } from '../store/store.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { Logger } from './logger.ts';
import { scrub } from './scrub.ts';

export interface EventRecorderOptions {
  readonly store: Store;
  /** Who says so: `controller`, `cell/cell-1`. */
  readonly source: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const collectMs = 1_000;
const repeatAfterMs = 10 * 60_000;
const newLeaseAfterMs = 10 * 60_000;
const mostWaiting = 1_000;
const mostRemembered = 10_000;
const flushWithinMs = 2_000;

/**
 * Tells people what happened, under `/pgherd/events/`, for an hour. Best effort: it never holds anybody up, forgets the
 * oldest when the store does not take them, and says the same thing once in ten minutes only.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #waiting: { readonly key: string; readonly value: string }[] = [];
  /** What was said → monotonic time of saying it; oldest first. */
  readonly #said = new Map<string, number>();
  #lease: { readonly id: bigint; readonly sinceMs: number } | undefined;
  #sequence = 0;
  #dropped = 0;
  #wake = () => {};

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Takes note of an event; written by `run`. */
  record(event: Pick<HerdEvent, 'type' | 'reason' | 'object' | 'message'>): void {
    const { clock, source } = this.#options;
    const message = scrub(event.message);
    if (!this.#isNews(`${event.type} ${event.reason} ${event.object} ${message}`)) return;
    const whole: HerdEvent = { time: new Date(clock.now()).toISOString(), ...event, message, source };
    this.#waiting.push({ key: eventKey(whole, ++this.#sequence), value: JSON.stringify(whole) });
    this.#forgetOldest();
    this.#wake();
  }

  /** Writes events in batches until the signal aborts, then what is left, if that is quick. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const backoff = new Backoff({ baseMs: 1_000, capMs: 30_000 });
    while (!signal.aborted) {
      try {
        await this.#somethingWaits(signal);
        await clock.sleep(collectMs, signal);
        await this.#write(signal);
        backoff.reset();
      } catch (error) {
        if (signal.aborted) break;
        logger.debug({ err: error }, 'events cannot be written');
        await clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
    const limit = new AbortController();
    const cancel = clock.after(flushWithinMs, () => limit.abort(new Error('the last events took too long')));
    await this.#write(limit.signal).catch((error: unknown) => logger.debug({ err: error }, 'last events are lost'));
    cancel();
  }

  #isNews(said: string): boolean {
    const nowMs = this.#options.clock.monotonic();
    const lastMs = this.#said.get(said);
    if (lastMs !== undefined && nowMs - lastMs < repeatAfterMs) return false;
    this.#said.delete(said);
    this.#said.set(said, nowMs);
    for (const [old, saidMs] of this.#said) {
      if (nowMs - saidMs < repeatAfterMs && this.#said.size <= mostRemembered) break;
      this.#said.delete(old);
    }
    return true;
  }

  #forgetOldest(): void {
    const excess = this.#waiting.length - mostWaiting;
    if (excess <= 0) return;
    this.#waiting.splice(0, excess);
    this.#dropped += excess;
  }

  #somethingWaits(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.length > 0 || signal.aborted) return resolve();
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#wake = () => {};
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  async #write(signal: AbortSignal): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, maxTxnOps);
      try {
        const leaseId = await this.#leaseId(signal);
        const then = batch.map(({ key, value }) => ({ type: 'put' as const, key, value, leaseId }));
        await this.#options.store.txn({ if: [], then }, { signal });
      } catch (error) {
        this.#lease = undefined;
        this.#waiting.unshift(...batch);
        this.#forgetOldest();
        throw error;
      }
    }
    if (this.#dropped > 0) this.#options.logger.warn({ dropped: this.#dropped }, 'events were dropped');
    this.#dropped = 0;
  }

  /** A lease that nobody renews, shared by the events of ten minutes. */
  async #leaseId(signal: AbortSignal): Promise<bigint> {
    const { store, clock } = this.#options;
    const nowMs = clock.monotonic();
    if (!this.#lease || nowMs - this.#lease.sinceMs > newLeaseAfterMs) {
      const lease = await store.lease(eventTtlSeconds, { signal });
      lease.abandon();
      this.#lease = { id: lease.id, sinceMs: nowMs };
    }
    return this.#lease.id;
  }
}
