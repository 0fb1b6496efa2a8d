import { setImmediate } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { Clock } from '../time/clock.ts';
import { aborted } from './aborted.ts';
import { Heap, type HeapItem } from './heap.ts';
import type { QueueSeries, WorkQueueMetrics } from './work-queue-metrics.ts';

/** How a key is put into the queue. */
export interface AddOptions {
  /** Higher runs first; default 0. */
  readonly priority?: number;
  /** Not before so many milliseconds have passed. */
  readonly afterMs?: number;
  /** Not before the key's back-off has passed, which this doubles. With `afterMs`, whichever is earlier. */
  readonly rateLimited?: boolean;
}

/** What a worker does with a key; must not reject. */
export type Work = (key: string, priority: number) => Promise<void>;

export interface WorkQueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly metrics: WorkQueueMetrics;
  readonly concurrency?: number;
  readonly baseDelayMs?: number;
  /**
   * Default one minute, where client-go has 1000 s: what fails here mostly waits for something outside of the store
   * (a member's REST API, a disk), whose recovery no watch reports, and a try a minute costs nothing.
   */
  readonly maxDelayMs?: number;
}

interface Entry extends HeapItem {
  readonly key: string;
  priority: number;
  state: 'delayed' | 'ready' | 'parked';
  readyAtMs: number;
  /** Order among equals. */
  sequence: number;
}

// Reconciles that never wait for I/O would otherwise keep timers and sockets from being served.
const longestWithoutPauseMs = 10;

/**
 * The work queue, with client-go's semantics: what is queued is a key, not an event.
 *
 * A key that waits is in exactly one state:
 * - *delayed*: its time has not come. Another add can only make it earlier.
 * - *ready*: a worker may take it; higher priority first, then in the order of becoming ready.
 * - *parked*: due, but a worker is busy with the same key. However many adds there were, it runs once more afterwards.
 *
 * A key that is taken waits no longer but is *running* until its worker is done; a key never runs twice at once.
 * Memory is bounded by the number of distinct keys. p-queue bounds how many workers run; the order is ours.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #series: QueueSeries;
  readonly #concurrency: number;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #slots: PQueue;

  readonly #entries = new Map<string, Entry>();
  readonly #delayed = new Heap<Entry>((a, b) => a.readyAtMs - b.readyAtMs || a.sequence - b.sequence);
  readonly #ready = new Heap<Entry>((a, b) => b.priority - a.priority || a.sequence - b.sequence);
  /** Key → monotonic time at which its worker started. */
  readonly #running = new Map<string, number>();
  /** Key → failures in a row. */
  readonly #failures = new Map<string, number>();

  #work: Work | undefined;
  #isStopped = false;
  #sequence = 0;
  /** Workers in p-queue that have not taken a key yet. */
  #idleWorkers = 0;
  #alarm: { readonly atMs: number; readonly cancel: () => void } | undefined;
  #lastPauseMs: number;

  constructor(options: WorkQueueOptions) {
    const { name, clock, metrics, concurrency = 1, baseDelayMs = 5, maxDelayMs = 60_000 } = options;
    this.#clock = clock;
    this.#concurrency = concurrency;
    this.#baseDelayMs = baseDelayMs;
    this.#maxDelayMs = maxDelayMs;
    this.#slots = new PQueue({ concurrency });
    this.#lastPauseMs = clock.monotonic();
    this.#series = metrics.queue(name, { depth: () => this.#depth(), runningMs: () => this.runningMs() });
  }

  /** Makes `key` run, now or later. Allowed before `run`, ignored once stopped. */
  add(key: string, { priority = 0, afterMs, rateLimited = false }: AddOptions = {}): void {
    if (this.#isStopped) return;
    const backoffMs = rateLimited ? this.#nextBackoffMs(key) : Infinity;
    const delayMs = Math.max(0, Math.min(afterMs ?? (rateLimited ? Infinity : 0), backoffMs));
    if (delayMs > 0) this.#series.retried();
    const readyAtMs = this.#clock.monotonic() + delayMs;

    const known = this.#entries.get(key);
    const isRaised = known !== undefined && priority > known.priority;
    if (isRaised) known.priority = priority;
    if (!known) {
      const entry: Entry = { key, priority, state: 'delayed', readyAtMs, sequence: ++this.#sequence, position: 0 };
      this.#entries.set(key, entry);
      if (delayMs > 0) this.#delayed.push(entry);
      else this.#makeReady(entry);
    } else if (known.state === 'delayed' && delayMs === 0) {
      this.#delayed.remove(known);
      this.#makeReady(known);
    } else if (known.state === 'delayed' && readyAtMs < known.readyAtMs) {
      known.readyAtMs = readyAtMs;
      this.#delayed.update(known);
    } else if (known.state === 'ready' && isRaised) {
      // Behind those that had this priority before.
      known.sequence = ++this.#sequence;
      this.#ready.update(known);
    }
    this.#setAlarm();
  }

  /** Ends the back-off of `key`: its next failure is its first. Does not take the key out of the queue. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** How often `key` has been added with `rateLimited` since it was last forgotten. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Keys that are delayed, ready or parked. */
  get size(): number {
    return this.#entries.size;
  }

  /** For each running key, for how long. */
  runningMs(): number[] {
    const nowMs = this.#clock.monotonic();
    return [...this.#running.values()].map((startedMs) => nowMs - startedMs);
  }

  /**
   * Works on keys until the signal aborts; then drops what is queued and waits for what runs.
   * Dropping loses nothing: whoever starts next lists everything again.
   */
  async run(work: Work, signal: AbortSignal): Promise<void> {
    if (this.#work) throw new Error('a work queue can run once only');
    this.#work = work;
    this.#setAlarm();
    this.#startWorkers();
    await aborted(signal);
    this.#isStopped = true;
    this.#alarm?.cancel();
    for (const waiting of [this.#entries, this.#delayed, this.#ready, this.#failures]) waiting.clear();
    await this.#slots.onIdle();
  }

  #makeReady(entry: Entry): void {
    this.#series.added();
    entry.readyAtMs = this.#clock.monotonic();
    if (this.#running.has(entry.key)) entry.state = 'parked';
    else this.#enqueue(entry);
  }

  #enqueue(entry: Entry): void {
    entry.state = 'ready';
    entry.sequence = ++this.#sequence;
    this.#ready.push(entry);
    this.#startWorkers();
  }

  #startWorkers(): void {
    if (!this.#work) return;
    while (this.#idleWorkers < Math.min(this.#ready.size, this.#concurrency)) {
      this.#idleWorkers += 1;
      void this.#slots.add(() => this.#workOnce());
    }
  }

  async #workOnce(): Promise<void> {
    // p-queue starts this inside of add(), that is, inside of an informer's handler.
    await this.#pause();
    this.#idleWorkers -= 1;
    const entry = this.#ready.pop();
    this.#startWorkers();
    if (!entry || !this.#work) return;

    const startedMs = this.#clock.monotonic();
    this.#entries.delete(entry.key);
    this.#running.set(entry.key, startedMs);
    this.#series.taken(startedMs - entry.readyAtMs);
    await this.#work(entry.key, entry.priority);
    this.#series.done(this.#clock.monotonic() - startedMs);
    this.#running.delete(entry.key);
    const again = this.#entries.get(entry.key);
    if (again?.state === 'parked') this.#enqueue(again);
  }

  async #pause(): Promise<void> {
    if (this.#clock.monotonic() - this.#lastPauseMs < longestWithoutPauseMs) return;
    await setImmediate();
    this.#lastPauseMs = this.#clock.monotonic();
  }

  /** Wakes up when the first delayed key is due; only while running, so that a queue that never ran holds no timer. */
  #setAlarm(): void {
    const first = this.#delayed.peek();
    if (!this.#work || this.#alarm?.atMs === first?.readyAtMs) return;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    if (!first) return;
    const cancel = this.#clock.after(first.readyAtMs - this.#clock.monotonic(), () => this.#ring());
    this.#alarm = { atMs: first.readyAtMs, cancel };
  }

  #ring(): void {
    this.#alarm = undefined;
    const nowMs = this.#clock.monotonic();
    for (let first = this.#delayed.peek(); first && first.readyAtMs <= nowMs; first = this.#delayed.peek()) {
      this.#delayed.remove(first);
      this.#makeReady(first);
    }
    this.#setAlarm();
  }

  #nextBackoffMs(key: string): number {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    return Math.min(this.#maxDelayMs, this.#baseDelayMs * 2 ** failures);
  }

  #depth(): Map<number, number> {
    const depth = new Map<number, number>();
    for (const { state, priority } of this.#entries.values()) {
      if (state !== 'delayed') depth.set(priority, (depth.get(priority) ?? 0) + 1);
    }
    return depth;
  }
}
