import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the gauges of a queue ask it when they are scraped. */
export interface QueueProbe {
  /** Number of ready keys by priority. */
  depth(): Map<number, number>;
  /** How long each running key has been running. */
  runningMs(): number[];
}

/** The series of one queue. */
export interface QueueSeries {
  added(): void;
  retried(): void;
  taken(waitedMs: number): void;
  done(workedMs: number): void;
}

// Literal, because 1e-8 * 10 prints as 0.000009999999999999999 two steps later.
const buckets = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];
const mostPriorities = 25;

/** `workqueue_*`, as controller-runtime has them. */
export class WorkQueueMetrics {
  readonly #adds: Counter;
  readonly #retries: Counter;
  readonly #queueDuration: Histogram;
  readonly #workDuration: Histogram;
  readonly #probes = new Map<string, QueueProbe>();
  readonly #priorities = new Map<string, Set<number>>();

  constructor(registry: Registry) {
    const probes = this.#probes;
    const priorities = this.#priorities;
    const common = { labelNames: ['name', 'controller'], registers: [registry] };
    this.#adds = new Counter({ ...common, name: 'workqueue_adds_total', help: 'Keys that became ready for work.' });
    this.#retries = new Counter({ ...common, name: 'workqueue_retries_total', help: 'Keys added to be ready later.' });
    this.#queueDuration = new Histogram({
      ...common,
      buckets,
      name: 'workqueue_queue_duration_seconds',
      help: 'How long a ready key waited for a worker.',
    });
    this.#workDuration = new Histogram({
      ...common,
      buckets,
      name: 'workqueue_work_duration_seconds',
      help: 'How long a worker took for a key.',
    });
    new Gauge({
      name: 'workqueue_depth',
      help: 'Keys that are ready and wait for a worker.',
      labelNames: ['name', 'controller', 'priority'],
      registers: [registry],
      collect() {
        for (const [name, probe] of probes) setDepth(this, name, probe.depth(), priorities.get(name) ?? new Set());
      },
    });
    new Gauge({
      ...common,
      name: 'workqueue_unfinished_work_seconds',
      help: 'Sum of the ages of all keys being worked on: grows without end when workers are stuck.',
      collect() {
        for (const [name, probe] of probes) this.set(labels(name), sum(probe.runningMs()) / 1000);
      },
    });
    new Gauge({
      ...common,
      name: 'workqueue_longest_running_processor_seconds',
      help: 'Age of the key that has been worked on for the longest time.',
      collect() {
        for (const [name, probe] of probes) this.set(labels(name), Math.max(0, ...probe.runningMs()) / 1000);
      },
    });
  }

  /** The series of a new queue, all of them at zero, so that `rate()` has a first sample. */
  queue(name: string, probe: QueueProbe): QueueSeries {
    this.#probes.set(name, probe);
    this.#priorities.set(name, new Set([0]));
    const both = labels(name);
    this.#adds.inc(both, 0);
    this.#retries.inc(both, 0);
    this.#queueDuration.zero(both);
    this.#workDuration.zero(both);
    return {
      added: () => this.#adds.inc(both),
      retried: () => this.#retries.inc(both),
      taken: (waitedMs) => this.#queueDuration.observe(both, waitedMs / 1000),
      done: (workedMs) => this.#workDuration.observe(both, workedMs / 1000),
    };
  }
}

function labels(name: string) {
  return { name, controller: name };
}

/** Sets the depth of every priority that the queue has ever had, up to a number of them, and of the others together. */
function setDepth(gauge: Gauge, name: string, depth: Map<number, number>, known: Set<number>): void {
  let excess = 0;
  for (const [priority, count] of depth) {
    if (known.size < mostPriorities) known.add(priority);
    if (!known.has(priority)) excess += count;
  }
  for (const priority of known) gauge.set({ ...labels(name), priority: String(priority) }, depth.get(priority) ?? 0);
  if (known.size === mostPriorities) gauge.set({ ...labels(name), priority: 'exceeded_cardinality_limit' }, excess);
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
