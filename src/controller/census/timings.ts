import { keyOf } from '../../engine/cache.ts';
import type { Change } from '../../engine/informer.ts';
import { Histogram, type Registry } from '../../engine/metrics.ts';
import { instanceOfDesiredStateKey } from '../../schema/desired-state.ts';
import type { InstanceId } from '../../schema/ids.ts';
import { parseScopeKey } from '../../schema/patroni.ts';
import type { Clock } from '../../time/clock.ts';
import type { InstanceFact, ScopeFact } from '../view/facts-of-keys.ts';
import type { Herd } from '../view/herd.ts';
import type { Informers } from '../view/informers.ts';

/** What the timings are taken from. */
export interface TimingsOptions {
  readonly registry: Registry;
  readonly informers: Pick<Informers, 'instances' | 'scopes' | 'routing'>;
  readonly herd: Pick<Herd, 'routers'>;
  readonly clock: Clock;
  /** A standby sees the same; it shall not count it too. */
  readonly isLeading: () => boolean;
}

/**
 * Takes the time of what people wait for, from the changes that go by: a document until it is true, and a leader that
 * went until a router leads to the next. Remembers only what is under way.
 */
export class Timings {
  readonly #options: TimingsOptions;
  readonly #specToReady: Histogram;
  readonly #failoverGap: Histogram;
  readonly #specs = new Map<InstanceId, { readonly generation: bigint; readonly sinceMs: number }>();
  /** `needs`: the revision of the new leader's key, once there is one. */
  readonly #gaps = new Map<InstanceId, { readonly sinceMs: number; needs: bigint | undefined }>();

  constructor(options: TimingsOptions) {
    this.#options = options;
    const { registry, informers } = options;
    this.#specToReady = new Histogram({
      name: 'pgherd_spec_to_ready_seconds',
      help: 'From the last change of a document to Ready for it.',
      buckets: [0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600],
      registers: [registry],
    });
    this.#failoverGap = new Histogram({
      name: 'pgherd_failover_gap_seconds',
      help: 'From a leader key that went or changed hands to the new leader being routed.',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120],
      registers: [registry],
    });
    informers.instances.onChange((change) => this.#onInstance(change));
    informers.scopes.onChange((change) => this.#onScope(change));
    informers.routing.onChange(() => this.#closeGaps());
  }

  #onInstance(change: Change<InstanceFact>): void {
    const id = instanceOfDesiredStateKey(keyOf(change));
    if (!id) return;
    if (change.type === 'delete') this.#specs.delete(id);
    else if (!change.initial) this.#specs.set(id, { generation: change.entry.modRevision, sinceMs: this.#nowMs() });
  }

  #onScope(change: Change<ScopeFact>): void {
    const { kind } = (change.type === 'put' ? change.entry : change.old).value;
    if (kind !== 'state' && kind !== 'leader') return;
    const id = parseScopeKey(keyOf(change))?.instance;
    if (!id) return;
    if (kind === 'leader') this.#onLeader(id, change);
    else if (change.type === 'delete') this.#gaps.delete(id);
    else this.#onState(id, change.entry.value);
  }

  #onState(id: InstanceId, fact: ScopeFact): void {
    const spec = this.#specs.get(id);
    if (!spec || fact.kind !== 'state' || !fact.value.ok) return;
    const { observedGeneration, conditions } = fact.value.value;
    const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    if (!isReady || BigInt(observedGeneration) < spec.generation) return;
    this.#specs.delete(id);
    this.#observe(this.#specToReady, spec.sinceMs);
  }

  #onLeader(id: InstanceId, change: Change<ScopeFact>): void {
    const gap = this.#gaps.get(id);
    if (change.type === 'delete') {
      if (gap) gap.needs = undefined;
      else this.#gaps.set(id, { sinceMs: this.#nowMs(), needs: undefined });
      return;
    }
    const { entry, old } = change;
    if (gap) gap.needs = entry.modRevision;
    // The first leader follows nobody.
    else if (old && old.value.value !== entry.value.value) {
      this.#gaps.set(id, { sinceMs: this.#nowMs(), needs: entry.modRevision });
    }
    this.#closeGaps();
  }

  #closeGaps(): void {
    if (this.#gaps.size === 0) return;
    let applied = 0n;
    for (const router of this.#options.herd.routers.values()) {
      if (router.ok && router.value.appliedRevision > applied) applied = router.value.appliedRevision;
    }
    for (const [id, { needs, sinceMs }] of this.#gaps) {
      if (needs === undefined || needs > applied) continue;
      this.#gaps.delete(id);
      this.#observe(this.#failoverGap, sinceMs);
    }
  }

  #observe(histogram: Histogram, sinceMs: number): void {
    if (this.#options.isLeading()) histogram.observe((this.#nowMs() - sinceMs) / 1000);
  }

  #nowMs(): number {
    return this.#options.clock.monotonic();
  }
}
