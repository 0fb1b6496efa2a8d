import type { KeyRange, KeyValue, Store } from '../store/store.ts';
import { CompactedError } from '../store/store-error.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import { Cache, type Change, type Entry } from './cache.ts';
import type { InformerMetrics, InformerSeries, RelistReason } from './informer-metrics.ts';
import type { Logger } from './logger.ts';

export type { Change, Entry };

export interface InformerOptions<T> {
  readonly name: string;
  readonly store: Store;
  readonly range: KeyRange;
  /** Returns what is wrong with a value as data; a value it throws on is skipped, and the entry keeps its old one. */
  readonly parse: (kv: KeyValue) => T;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: InformerMetrics;
  /** Mean time between audits; default 20 minutes, jittered by a half to either side. */
  readonly relistEveryMs?: number;
  readonly random?: () => number;
}

// What a watch may take to deliver before an audit calls it lost.
const deliveryMs = 5_000;
const askAfterMs = 2_000;
const resetBackoffAfterMs = 120_000;
const notReadyAfterMs = 30_000;

/**
 * Keeps a copy of a key range and tells its handlers of every change, in order. Lists once, then watches from that
 * revision; lists again only when the history it needs was compacted or the store went back. Every 10 to 30 minutes it
 * audits itself: lists while watching, repairs what differs, counts what the watch had lost, and opens a new watch.
 */
export class Informer<T> {
  readonly name: string;
  readonly range: KeyRange;
  readonly #options: InformerOptions<T>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #series: InformerSeries;
  readonly #cache: Cache<T>;
  #listing: Promise<number> | undefined;
  #relistReason: RelistReason | undefined = 'initial';
  #connected = false;
  #isInterrupted = false;
  #lastContactMs: number;

  constructor(options: InformerOptions<T>) {
    this.name = options.name;
    this.range = options.range;
    this.#options = options;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ informer: options.name });
    this.#series = options.metrics.informer(options.name, this);
    this.#lastContactMs = options.clock.monotonic();
    this.#cache = new Cache({
      parse: options.parse,
      onHandlerError: (error) => {
        this.#series.handlerFailed();
        this.#logger.error({ err: error }, 'informer handler failed');
      },
      onUnreadable: (kv, error) => {
        this.#series.unreadable();
        this.#logger.error({ err: error, key: kv.key, revision: kv.modRevision.toString() }, 'value cannot be read');
      },
    });
  }

  get(key: string): Entry<T> | undefined {
    return this.#cache.get(key);
  }

  entries(): IterableIterator<Entry<T>> {
    return this.#cache.entries();
  }

  get size(): number {
    return this.#cache.size;
  }

  /** Whether the first list is in the cache. */
  get synced(): boolean {
    return this.#cache.synced;
  }

  /** All of the range up to here is in the cache. */
  get revision(): bigint {
    return this.#cache.revision;
  }

  /** Whether the watch is open, as far as is known. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Monotonic time of the last sign of the store. */
  get lastContactMs(): number {
    return this.#connected ? this.#clock.monotonic() : this.#lastContactMs;
  }

  /** For `/readyz`: a sentence when the cache is not filled, or may be out of date. */
  unready(): string | undefined {
    if (!this.synced) return `${this.name} is not synced`;
    const silentMs = this.#clock.monotonic() - this.lastContactMs;
    return silentMs > notReadyAfterMs ? `no contact to the store for ${Math.round(silentMs / 1000)} s` : undefined;
  }

  /**
   * Calls `handler` for every change, after the cache was updated, before the next change is applied.
   * A handler that comes late first gets a put for every entry. Handlers only take notes: what they throw is logged.
   */
  onChange(handler: (change: Change<T>) => void): () => void {
    return this.#cache.onChange(handler);
  }

  /** Calls `handler` after all changes of one batch or list were handed out. */
  onBatch(handler: (revision: bigint) => void): () => void {
    return this.#cache.onBatch(handler);
  }

  /** Resolves once the first list is in the cache and was handed out. */
  whenSynced(signal: AbortSignal): Promise<void> {
    return this.#cache.reached(0n, signal);
  }

  /** Resolves once everything up to `revision` is in the cache; if no event says so in time, the store is asked. */
  async reached(revision: bigint, signal: AbortSignal): Promise<void> {
    let cancel = () => {};
    const asked = new Promise<void>((resolve, reject) => {
      cancel = this.#clock.after(askAfterMs, () => void this.catchUp(revision, signal).then(resolve, reject));
    });
    try {
      await Promise.race([this.#cache.reached(revision, signal), asked]);
    } finally {
      cancel();
    }
  }

  /** Makes sure that everything up to `revision` is in the cache, also when no event of this range says so. */
  async catchUp(revision: bigint, signal: AbortSignal): Promise<void> {
    const backoff = this.#newBackoff();
    while (!this.synced || this.revision < revision) {
      signal.throwIfAborted();
      // A list that began before may be too old, and one at a time is enough for everybody who waits.
      if (this.#listing !== undefined) {
        await this.#listing.catch(() => {});
        continue;
      }
      try {
        await this.#list('asked', signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#logger.debug({ err: error }, 'list failed');
        await this.#clock.sleep(backoff.next(), signal);
        continue;
      }
      if (this.revision < revision) throw new Error(`the store went back to revision ${this.revision}`);
    }
  }

  /** Lists and watches until the signal aborts, through every outage of the store. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = this.#newBackoff();
    let lastFailureMs = -Infinity;
    while (!signal.aborted) {
      try {
        if (this.#relistReason) await this.#list(this.#relistReason, signal);
        this.#relistReason = undefined;
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) break;
        const nowMs = this.#clock.monotonic();
        const isFirst = nowMs - lastFailureMs > resetBackoffAfterMs;
        if (isFirst) backoff.reset();
        lastFailureMs = nowMs;
        const isCompacted = error instanceof CompactedError;
        if (isCompacted) this.#relistReason = 'compacted';
        if (isCompacted && isFirst) continue;
        const waitMs = backoff.next();
        this.#logger.warn({ err: error, waitMs: Math.round(waitMs) }, 'list or watch failed');
        await this.#clock.sleep(waitMs, signal).catch(() => {});
      }
    }
    this.#connected = false;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const watching = new AbortController();
    const onAbort = () => watching.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const audited = this.#audit(watching);
    try {
      const { store, range } = this.#options;
      const batches = store.watch(range, this.revision + 1n, {
        signal: watching.signal,
        onConnect: () => this.#onConnect(),
        onDisconnect: (error) => this.#onDisconnect(error),
      });
      for await (const batch of batches) {
        const startedMs = this.#clock.monotonic();
        this.#lastContactMs = startedMs;
        const news = this.#cache.apply(batch);
        this.#series.handled(news, this.#clock.monotonic() - startedMs, this.#clock.now());
      }
    } catch (error) {
      if (watching.signal.reason !== endOfWatch) throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      watching.abort(endOfWatch);
      await audited;
    }
  }

  /** Lists while the watch runs on, counts what the watch had lost, and ends the watch: a hung one is noticed so. */
  async #audit(watching: AbortController): Promise<void> {
    const { relistEveryMs = 20 * 60_000, random = Math.random } = this.#options;
    const { signal } = watching;
    try {
      await this.#clock.sleep(relistEveryMs * (0.5 + random()), signal);
      this.#cache.takeUnexplained();
      const missedPuts = await this.#list('audit', signal);
      await this.#clock.sleep(deliveryMs, signal);
      const missed = missedPuts + this.#cache.takeUnexplained();
      if (missed > 0) {
        this.#series.missed(missed);
        this.#logger.warn({ missed }, 'audit found changes that the watch had not reported');
      }
    } catch (error) {
      if (!signal.aborted) this.#logger.warn({ err: error }, 'audit failed');
    }
    watching.abort(endOfWatch);
  }

  /** Lists and merges, one at a time. Returns the number of puts that the watch had lost. */
  async #list(reason: RelistReason, signal: AbortSignal): Promise<number> {
    while (this.#listing !== undefined) await this.#listing.catch(() => {});
    this.#listing = this.#listAndMerge(reason, signal).finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #listAndMerge(reason: RelistReason, signal: AbortSignal): Promise<number> {
    const { store, range } = this.#options;
    const revisionBefore = this.revision;
    const { kvs, revision } = await store.list(range, { signal });
    this.#lastContactMs = this.#clock.monotonic();
    const wentBack = revision < revisionBefore;
    if (wentBack) this.#logger.error({ from: `${revisionBefore}`, to: `${revision}` }, 'the store went back');
    this.#series.listed(wentBack ? 'rollback' : reason);
    // Events may have come while the list was on its way: then the cache knows more than the list.
    if (revision < this.revision && !wentBack) return 0;
    // After a gap it may be another history: the same revision may then be another value.
    const isSameHistory = reason !== 'compacted' && !wentBack;
    return this.#cache.merge(kvs, revision, isSameHistory);
  }

  #onConnect(): void {
    if (this.#isInterrupted) this.#logger.info('watch connected again');
    this.#connected = true;
    this.#isInterrupted = false;
  }

  #onDisconnect(error: Error): void {
    this.#lastContactMs = this.lastContactMs;
    this.#connected = false;
    // Every failed try to connect again ends here too.
    if (this.#isInterrupted) return;
    this.#isInterrupted = true;
    this.#series.disconnected();
    this.#logger.warn({ err: error }, 'watch disconnected');
  }

  #newBackoff(): Backoff {
    const { random = Math.random } = this.#options;
    return new Backoff({ baseMs: 800, capMs: 30_000, random });
  }
}

const endOfWatch = new Error('end of watch');
