import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { WorkQueueMetrics } from './work-queue-metrics.ts';

/** How a reconcile ended, as the `result` label of `controller_runtime_reconcile_total`. */
export type ReconcileResult = 'success' | 'error' | 'requeue' | 'requeue_after';

/** The series of one controller. */
export interface ControllerSeries {
  started(): void;
  ended(result: ReconcileResult, tookMs: number): void;
  failed(): void;
  failedForGood(): void;
  panicked(): void;
  timedOut(): void;
}

const buckets = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];

/** `controller_runtime_*`, and the `workqueue_*` of the controllers' queues. */
export class ControllerMetrics {
  readonly queues: WorkQueueMetrics;
  readonly #total: Counter;
  readonly #errors: Counter;
  readonly #terminalErrors: Counter;
  readonly #panics: Counter;
  readonly #timeouts: Counter;
  readonly #time: Histogram;
  readonly #concurrency: Gauge;
  readonly #active: Gauge;

  constructor(registry: Registry) {
    this.queues = new WorkQueueMetrics(registry);
    const declare = (name: string, help: string) => ({
      name: `controller_runtime_${name}`,
      help,
      labelNames: ['controller'],
      registers: [registry],
    });
    this.#total = new Counter({
      ...declare('reconcile_total', 'Reconciles, by how they ended.'),
      labelNames: ['controller', 'result'],
    });
    this.#errors = new Counter(declare('reconcile_errors_total', 'Reconciles that ended with an error.'));
    this.#terminalErrors = new Counter(
      declare('terminal_reconcile_errors_total', 'Reconciles that ended with an error that no retry can mend.'),
    );
    this.#panics = new Counter(declare('reconcile_panics_total', 'Reconciles that ended with a fault of the program.'));
    this.#timeouts = new Counter(declare('reconcile_timeouts_total', 'Reconciles that ran into their time limit.'));
    this.#time = new Histogram({ ...declare('reconcile_time_seconds', 'How long a reconcile took.'), buckets });
    this.#concurrency = new Gauge(declare('max_concurrent_reconciles', 'How many reconciles may run at a time.'));
    this.#active = new Gauge(declare('active_workers', 'How many reconciles are running.'));
  }

  /** The series of a new controller, all of them at zero, so that `rate()` has a first sample. */
  controller(name: string, concurrency: number): ControllerSeries {
    const labels = { controller: name };
    const results = {
      success: { controller: name, result: 'success' },
      error: { controller: name, result: 'error' },
      requeue: { controller: name, result: 'requeue' },
      requeue_after: { controller: name, result: 'requeue_after' },
    };
    for (const result of Object.values(results)) this.#total.inc(result, 0);
    for (const counter of [this.#errors, this.#terminalErrors, this.#panics, this.#timeouts]) counter.inc(labels, 0);
    this.#time.zero(labels);
    this.#concurrency.set(labels, concurrency);
    this.#active.set(labels, 0);
    return {
      started: () => this.#active.inc(labels),
      ended: (result, tookMs) => {
        this.#active.dec(labels);
        this.#total.inc(results[result]);
        this.#time.observe(labels, tookMs / 1000);
      },
      failed: () => this.#errors.inc(labels),
      failedForGood: () => this.#terminalErrors.inc(labels),
      panicked: () => this.#panics.inc(labels),
      timedOut: () => this.#timeouts.inc(labels),
    };
  }
}
