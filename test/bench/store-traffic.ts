import { createHash } from 'node:crypto';
import type { KeyValue, Store } from '../../src/store/store.ts';

/** Who writes a key in a herd that people leave alone. */
export type Writer = 'controller' | 'cells' | 'router' | 'patroni' | 'events' | 'others';

/** A key that was put, and when this process heard of it. */
export interface Heard {
  readonly kv: KeyValue;
  readonly atMs: number;
}

/**
 * Listens to everything that is written to a store: how many keys a second and by whom, which keys are written again
 * with what they hold, and which instances say that they are Ready.
 */
export class StoreTraffic {
  readonly #store: Store;
  readonly #listeners = new Set<() => void>();
  readonly #seconds = new Map<Writer, Map<number, number>>();
  /** What every key of ours holds, and on which lease. */
  readonly #held = new Map<string, string>();
  readonly #lastMs = new Map<Writer, number>();
  /** Instance → the generation of the document of which it says Ready. */
  readonly ready = new Map<string, bigint>();
  /** Called for every put. */
  onPut: (heard: Heard) => void = () => {};
  /** Keys of ours that were put again unchanged. */
  rewritten: string[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { revision } = await this.#store.identity();
    try {
      for await (const { events } of this.#store.watch(everything, revision + 1n, { signal })) {
        const atMs = performance.now();
        for (const event of events) {
          const key = event.type === 'put' ? event.kv.key : event.key;
          this.#count(writerOf(key), atMs);
          if (event.type === 'put') this.#put(event.kv, atMs);
          else this.#held.delete(key);
        }
        for (const listener of this.#listeners) listener();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Resolves once it holds; rejects, saying what was waited for, when it does not in time. */
  async until(what: string, holds: () => boolean, withinMs = 1_800_000): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const listener = () => {
        if (holds()) done(resolve);
      };
      const timer = setTimeout(() => done(() => reject(new Error(`waited in vain for ${what}`))), withinMs);
      const done = (settle: () => void) => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        settle();
      };
      this.#listeners.add(listener);
    });
  }

  /** Resolves once none of these has written anything for so long. */
  async quiet(writers: readonly Writer[], forMs: number): Promise<void> {
    for (;;) {
      const lastMs = Math.max(0, ...writers.map((writer) => this.#lastMs.get(writer) ?? 0));
      const leftMs = lastMs + forMs - performance.now();
      if (leftMs <= 0) return;
      await new Promise((resolve) => setTimeout(resolve, leftMs));
    }
  }

  /** Keys that this writer wrote in each second since then. */
  perSecond(writer: Writer, sinceMs: number): number[] {
    const since = Math.floor(sinceMs / 1000);
    return [...(this.#seconds.get(writer) ?? [])].filter(([second]) => second >= since).map(([, keys]) => keys);
  }

  #count(writer: Writer, atMs: number): void {
    const seconds = this.#seconds.get(writer) ?? new Map<number, number>();
    this.#seconds.set(writer, seconds);
    const second = Math.floor(atMs / 1000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
    this.#lastMs.set(writer, atMs);
  }

  #put(kv: KeyValue, atMs: number): void {
    const { key, value } = kv;
    const writer = writerOf(key);
    if (writer === 'controller' || writer === 'cells' || writer === 'router') {
      const holds = `${kv.leaseId} ${createHash('md5').update(value).digest('base64')}`;
      if (this.#held.get(key) === holds) this.rewritten.push(key);
      this.#held.set(key, holds);
    }
    const instance = /^\/service\/([^/]+)\/state$/.exec(key)?.[1];
    if (instance) {
      const generation = /"observed_generation":"(\d+)"/.exec(value)?.[1];
      if (value.includes('"type":"Ready","status":"True"')) this.ready.set(instance, BigInt(generation ?? 0));
      else this.ready.delete(instance);
    }
    this.onPut({ kv, atMs });
  }
}

const everything = { start: '/', end: '0' };

const writers: readonly (readonly [RegExp, Writer])[] = [
  [/^\/cells\/(assignments|health|brake)/, 'controller'],
  [/^\/service\/[^/]+\/(state|failover)$/, 'controller'],
  [/^\/serviceinstances\/[^/]+\//, 'controller'],
  [/^\/routing\/routers\//, 'router'],
  [/^\/routing\//, 'controller'],
  [/^\/cells\/(registered|observed)\//, 'cells'],
  [/^\/postgresql-patroni\//, 'cells'],
  [/^\/service\//, 'patroni'],
  [/^\/pgherd\/events\//, 'events'],
];

/** Whose key it is. */
export const writerOf = (key: string): Writer => writers.find(([form]) => form.test(key))?.[1] ?? 'others';
