import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What the gauges of an informer ask it when they are scraped. */
export interface InformerProbe {
  readonly synced: boolean;
  readonly size: number;
  readonly revision: bigint;
}

const relistReasons = ['initial', 'compacted', 'rollback', 'asked', 'audit'] as const;
/** Why an informer listed its range. */
export type RelistReason = (typeof relistReasons)[number];

/** The series of one informer. */
export interface InformerSeries {
  listed(reason: RelistReason): void;
  handled(events: number, tookMs: number, nowMs: number): void;
  disconnected(): void;
  handlerFailed(): void;
  unreadable(): void;
  /** Differences between store and cache that no watch had reported. */
  missed(changes: number): void;
}

/** `informer_*`: client-go's where it has one, our own for what it does not count. */
export class InformerMetrics {
  readonly #relists: Counter;
  readonly #events: Counter;
  readonly #lastEvent: Gauge;
  readonly #latency: Histogram;
  readonly #disconnects: Counter;
  readonly #handlerErrors: Counter;
  readonly #unreadable: Counter;
  readonly #missed: Counter;
  readonly #probes = new Map<string, InformerProbe>();

  constructor(registry: Registry) {
    const probes = this.#probes;
    const declare = (name: string, help: string) => ({
      name: `informer_${name}`,
      help,
      labelNames: ['resource'],
      registers: [registry],
    });
    const upstream = { labelNames: ['name', 'group', 'version', 'resource'] };
    this.#relists = new Counter({
      ...declare('relists_total', 'Lists of the whole range, by why they were needed.'),
      labelNames: ['resource', 'reason'],
    });
    this.#events = new Counter(declare('events_total', 'Events that were applied to the cache.'));
    this.#lastEvent = new Gauge(declare('last_event_timestamp_seconds', 'When the last event was applied.'));
    this.#latency = new Histogram({
      ...declare('processing_latency_seconds', 'How long a batch of events took to apply and hand out.'),
      ...upstream,
      buckets: [0.001, 0.01, 0.1, 1, 10],
    });
    this.#disconnects = new Counter(declare('disconnects_total', 'Times the watch lost its connection.'));
    this.#handlerErrors = new Counter(declare('handler_errors_total', 'Exceptions thrown by handlers.'));
    this.#unreadable = new Counter(declare('unreadable_total', 'Values that could not be parsed.'));
    this.#missed = new Counter(declare('missed_changes_total', 'Changes found by listing that no watch had reported.'));
    new Gauge({
      ...declare('synced', '1 once the first list is in the cache.'),
      collect() {
        for (const [resource, probe] of probes) this.set({ resource }, probe.synced ? 1 : 0);
      },
    });
    new Gauge({
      ...declare('entries', 'Entries in the cache.'),
      collect() {
        for (const [resource, probe] of probes) this.set({ resource }, probe.size);
      },
    });
    new Gauge({
      ...declare('store_resource_version', 'Revision up to which the cache is complete.'),
      ...upstream,
      collect() {
        for (const [resource, probe] of probes) this.set(upstreamLabels(resource), Number(probe.revision));
      },
    });
  }

  /** The series of a new informer. */
  informer(resource: string, probe: InformerProbe): InformerSeries {
    this.#probes.set(resource, probe);
    const labels = { resource };
    const counters = [this.#events, this.#disconnects, this.#handlerErrors, this.#unreadable, this.#missed];
    for (const counter of counters) counter.inc(labels, 0);
    for (const reason of relistReasons) this.#relists.inc({ resource, reason }, 0);
    this.#latency.zero(upstreamLabels(resource));
    return {
      listed: (reason) => this.#relists.inc({ resource, reason }),
      handled: (events, tookMs, nowMs) => {
        this.#events.inc(labels, events);
        this.#lastEvent.set(labels, nowMs / 1000);
        this.#latency.observe(upstreamLabels(resource), tookMs / 1000);
      },
      disconnected: () => this.#disconnects.inc(labels),
      handlerFailed: () => this.#handlerErrors.inc(labels),
      unreadable: () => this.#unreadable.inc(labels),
      missed: (changes) => this.#missed.inc(labels, changes),
    };
  }
}

function upstreamLabels(resource: string) {
  return { name: resource, group: '', version: '', resource };
}
