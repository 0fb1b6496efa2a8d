import type { KeyValue, WatchBatch } from '../store/store.ts';

/** One key as the cache holds it. */
export interface Entry<T> {
  readonly key: string;
  readonly value: T;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly leaseId: bigint;
}

/** What happened to one key, with what was known about it before. */
export type Change<T> =
  /** `old` is undefined when the key is new here; `initial` says that it was there before anybody watched. */
  | {
      readonly type: 'put';
      readonly old: Entry<T> | undefined;
      readonly entry: Entry<T>;
      readonly initial: boolean;
    }
  | { readonly type: 'delete'; readonly old: Entry<T> };

/** The key that a change is about. */
export const keyOf = <T>(change: Change<T>): string => (change.type === 'put' ? change.entry.key : change.old.key);

export interface CacheOptions<T> {
  readonly parse: (kv: KeyValue) => T;
  readonly onHandlerError: (error: unknown) => void;
  readonly onUnreadable: (kv: KeyValue, error: unknown) => void;
}

/**
 * The state of a key range at one revision, and whoever wants to hear of changes to it. Lists and batches of events may
 * be put into it in any order and more than once: what is at or below the revision it has already is no news.
 */
export class Cache<T> {
  readonly #options: CacheOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  /** Keys whose last value could not be parsed → its revision; their entry, if any, is an older value. */
  readonly #unreadable = new Map<string, bigint>();
  readonly #changeHandlers = new Set<(change: Change<T>) => void>();
  readonly #batchHandlers = new Set<(revision: bigint) => void>();
  readonly #waiters = new Set<Waiter>();
  /** Keys deleted by a list of which no event has told yet. */
  readonly #unexplained = new Set<string>();
  #revision = 0n;
  #synced = false;

  constructor(options: CacheOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Everything up to here is in the cache and has been handed out. */
  get revision(): bigint {
    return this.#revision;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get(key: string): Entry<T> | undefined {
    return this.#entries.get(key);
  }

  entries(): IterableIterator<Entry<T>> {
    return this.#entries.values();
  }

  onChange(handler: (change: Change<T>) => void): () => void {
    for (const entry of this.#entries.values()) {
      this.#call(handler, { type: 'put', old: undefined, entry, initial: true });
    }
    this.#changeHandlers.add(handler);
    return () => this.#changeHandlers.delete(handler);
  }

  onBatch(handler: (revision: bigint) => void): () => void {
    this.#batchHandlers.add(handler);
    return () => this.#batchHandlers.delete(handler);
  }

  /**
   * Makes the cache equal to a list of the whole range. Keys whose revision is known are no news, unless the list may
   * be of another history than the cache: of a store that was restored. Then every key is handed out again.
   * Returns how many puts were missing that the watch must have passed; see `takeUnexplained` for deletions.
   */
  merge(kvs: readonly KeyValue[], revision: bigint, isSameHistory: boolean): number {
    let missedPuts = 0;
    const listed = new Set<string>();
    for (const kv of kvs) {
      listed.add(kv.key);
      if (isSameHistory && this.#seenRevision(kv.key) === kv.modRevision) continue;
      if (this.#synced && kv.modRevision <= this.#revision) missedPuts += 1;
      this.#put(kv);
    }
    const deleted = [...this.#entries.keys(), ...this.#unreadable.keys()].filter((key) => !listed.has(key));
    for (const key of deleted) {
      this.#delete(key);
      this.#unexplained.add(key);
    }
    const wentBack = revision < this.#revision;
    this.#synced = true;
    this.#finish(revision);
    if (wentBack) this.#rejectWaiters(new Error(`the store went back to revision ${revision}`));
    return missedPuts;
  }

  /** Applies a batch of the watch; returns how many of its events were news. */
  apply(batch: WatchBatch): number {
    let news = 0;
    for (const event of batch.events) {
      const isPut = event.type === 'put';
      const modRevision = isPut ? event.kv.modRevision : event.modRevision;
      if (!isPut) this.#unexplained.delete(event.key);
      if (modRevision <= this.#revision) continue;
      news += 1;
      if (isPut) this.#put(event.kv);
      else this.#delete(event.key);
    }
    if (batch.revision > this.#revision) this.#finish(batch.revision);
    return news;
  }

  /** Of the keys that a list deleted, how many no event has told of; forgets them. */
  takeUnexplained(): number {
    const { size } = this.#unexplained;
    this.#unexplained.clear();
    return size;
  }

  /** Resolves once the cache is at `revision` or later. */
  reached(revision: bigint, signal: AbortSignal): Promise<void> {
    return this.#wait(() => this.#synced && this.#revision >= revision, signal);
  }

  #wait(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (isDone()) return resolve();
      const settle = (error?: unknown) => {
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle(signal.reason);
      const waiter: Waiter = { isDone, settle };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #put(kv: KeyValue): void {
    let value: T;
    try {
      value = this.#options.parse(kv);
    } catch (error) {
      this.#unreadable.set(kv.key, kv.modRevision);
      this.#options.onUnreadable(kv, error);
      return;
    }
    this.#unreadable.delete(kv.key);
    const { key, createRevision, modRevision, leaseId } = kv;
    const entry: Entry<T> = { key, value, createRevision, modRevision, leaseId };
    const old = this.#entries.get(key);
    this.#entries.set(key, entry);
    this.#emit({ type: 'put', old, entry, initial: !this.#synced });
  }

  #delete(key: string): void {
    this.#unreadable.delete(key);
    const old = this.#entries.get(key);
    if (this.#entries.delete(key) && old) this.#emit({ type: 'delete', old });
  }

  #finish(revision: bigint): void {
    this.#revision = revision;
    for (const handler of this.#batchHandlers) this.#call(handler, revision);
    for (const { isDone, settle } of this.#waiters) if (isDone()) settle();
  }

  #rejectWaiters(error: Error): void {
    for (const { settle } of this.#waiters) settle(error);
  }

  #seenRevision(key: string): bigint | undefined {
    return this.#unreadable.get(key) ?? this.#entries.get(key)?.modRevision;
  }

  #emit(change: Change<T>): void {
    for (const handler of this.#changeHandlers) this.#call(handler, change);
  }

  #call<A>(handler: (argument: A) => void, argument: A): void {
    try {
      handler(argument);
    } catch (error) {
      this.#options.onHandlerError(error);
    }
  }
}

interface Waiter {
  isDone(): boolean;
  settle(error?: unknown): void;
}
