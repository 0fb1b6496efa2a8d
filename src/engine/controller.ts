import { randomUUID } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import type { ControllerMetrics, ControllerSeries, ReconcileResult } from './controller-metrics.ts';
import type { Entry, Informer } from './informer.ts';
import type { Logger } from './logger.ts';
import { type AddOptions, WorkQueue } from './work-queue.ts';

/** What a reconcile asks for: to run again after a while, or nothing. */
export interface Result {
  readonly requeueAfterMs?: number;
}

export interface ReconcileContext {
  /** Aborts when the reconcile takes too long and when the controller stops. */
  readonly signal: AbortSignal;
  /** Names the key and this run. */
  readonly logger: Logger;
}

/** Looks at one key, and makes true what should be. A rejection is retried with back-off, `TerminalError` is not. */
export type Reconcile = (key: string, context: ReconcileContext) => Promise<Result>;

/** Throw it when only a change of the input can help: the key is not tried again until it is enqueued. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

/** Why a reconcile was aborted: it took longer than allowed. */
export class ReconcileTimeoutError extends Error {
  override readonly name = 'ReconcileTimeoutError';
}

/** Priority of what is enqueued only because the process started: changes go first. */
export const lowPriority = -100;

export interface ControllerOptions {
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly concurrency?: number;
  /** Default: two minutes. A reconcile that ignores its signal keeps its worker; then `stuck()` says so. */
  readonly timeoutMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ControllerMetrics;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
}

/** Runs `reconcile` for every key that was enqueued, one at a time per key, and again when it failed. */
export class Controller {
  readonly name: string;
  readonly #reconcile: Reconcile;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #series: ControllerSeries;
  readonly #queue: WorkQueue;
  readonly #runs = new Set<AbortController>();

  constructor(options: ControllerOptions) {
    const { name, metrics, concurrency = 1, timeoutMs = 120_000 } = options;
    this.name = name;
    this.#reconcile = options.reconcile;
    this.#timeoutMs = timeoutMs;
    this.#clock = options.clock;
    this.#logger = options.logger.child({ controller: name });
    this.#series = metrics.controller(name, concurrency);
    this.#queue = new WorkQueue({ ...options, metrics: metrics.queues });
  }

  /** Makes `key` be reconciled; allowed before `run`, so that a standby's queue is warm. */
  enqueue(key: string, options?: Pick<AddOptions, 'priority' | 'afterMs'>): void {
    this.#queue.add(key, options);
  }

  /** Enqueues the keys that `keysOf` names for the old and for the new entry of every change. */
  watch<T>(informer: Informer<T>, keysOf: (entry: Entry<T>) => Iterable<string>): () => void {
    return informer.onChange((change) => {
      const options = change.type === 'put' && change.initial ? { priority: lowPriority } : {};
      const keys = new Set(change.old ? keysOf(change.old) : []);
      if (change.type === 'put') for (const key of keysOf(change.entry)) keys.add(key);
      for (const key of keys) this.enqueue(key, options);
    });
  }

  /** Reconciles until the signal aborts, then waits for those that run. */
  async run(signal: AbortSignal): Promise<void> {
    const abortRuns = () => {
      for (const run of this.#runs) run.abort(signal.reason);
    };
    signal.addEventListener('abort', abortRuns, { once: true });
    await this.#queue.run((key, priority) => this.#runOnce(key, priority, signal), signal);
  }

  /** For `/healthz`: a sentence when a reconcile has been running for more than twice its time limit. */
  stuck(): string | undefined {
    const longestMs = Math.max(0, ...this.#queue.runningMs());
    if (longestMs <= 2 * this.#timeoutMs) return undefined;
    return `a reconcile of ${this.name} has been running for ${Math.round(longestMs / 1000)} s`;
  }

  async #runOnce(key: string, priority: number, signal: AbortSignal): Promise<void> {
    const logger = this.#logger.child({ key, reconcileID: randomUUID() });
    const startedMs = this.#clock.monotonic();
    this.#series.started();
    let result: ReconcileResult;
    try {
      const { requeueAfterMs = 0 } = await this.#reconcileInTime(key, logger);
      this.#queue.forget(key);
      result = requeueAfterMs > 0 ? 'requeue_after' : 'success';
      if (requeueAfterMs > 0) this.#queue.add(key, { priority, afterMs: requeueAfterMs });
    } catch (error) {
      result = 'error';
      if (signal.aborted) logger.debug({ err: error }, 'reconcile aborted: stopping');
      else this.#retry(key, priority, error, logger);
    }
    this.#series.ended(result, this.#clock.monotonic() - startedMs);
  }

  // Every run has an AbortController of its own: AbortSignal.any() on a long-lived signal leaks (nodejs/node#54614).
  async #reconcileInTime(key: string, logger: Logger): Promise<Result> {
    const run = new AbortController();
    const cancelTimeout = this.#clock.after(this.#timeoutMs, () => {
      this.#series.timedOut();
      run.abort(new ReconcileTimeoutError(`reconcile of ${key} took longer than ${this.#timeoutMs} ms`));
    });
    this.#runs.add(run);
    try {
      return await this.#reconcile(key, { signal: run.signal, logger });
    } finally {
      this.#runs.delete(run);
      cancelTimeout();
    }
  }

  #retry(key: string, priority: number, error: unknown, logger: Logger): void {
    this.#series.failed();
    if (isPanic(error)) this.#series.panicked();
    if (isTerminal(error)) {
      this.#series.failedForGood();
      this.#queue.forget(key);
      logger.error({ err: error }, 'reconcile failed for good');
    } else {
      this.#queue.add(key, { priority, rateLimited: true });
      logger.error({ err: error, failures: this.#queue.failures(key) }, 'reconcile failed');
    }
  }
}

/** Whether the error is a fault of the program. `fetch` reports an unreachable host as a TypeError with a cause. */
function isPanic(error: unknown): boolean {
  if (error instanceof TypeError) return error.cause === undefined;
  return error instanceof ReferenceError || error instanceof RangeError || !(error instanceof Error);
}

function isTerminal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TerminalError) return true;
  }
  return false;
}
