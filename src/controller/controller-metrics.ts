import { Counter, type Registry } from '../engine/metrics.ts';
import { condition } from '../schema/observed-state.ts';
import { cellGauges } from './census/cell-gauges.ts';
import { takeCensus } from './census/census.ts';
import { gauge, oncePerScrape } from './census/census-gauges.ts';
import { fleetMetrics } from './census/fleet-metrics.ts';
import { instanceMetrics } from './census/instance-metrics.ts';
import { DeposedError } from './commit.ts';
import type { Herd } from './view/herd.ts';
import type { Informers } from './view/informers.ts';

/** What the controller counts of its own. */
export class ControllerMetrics {
  readonly commits: Counter;
  readonly conflicts: Counter;
  readonly #fenced: Counter;

  constructor(registry: Registry) {
    this.commits = new Counter({
      name: 'pgherd_commits_total',
      help: 'Decisions that the controller committed, several of them in one transaction; at rest there are none.',
      registers: [registry],
    });
    this.conflicts = new Counter({
      name: 'pgherd_conflicts_total',
      help: 'Passes that looked again because the store had changed since.',
      registers: [registry],
    });
    this.#fenced = new Counter({
      name: 'pgherd_fenced_writes_total',
      help: 'Writes of this controller that the store refused because another one leads.',
      registers: [registry],
    });
  }

  /** Adds what is counted when it is asked for. */
  observe(
    registry: Registry,
    informers: Informers,
    herd: Herd,
    { perInstance }: { readonly perInstance: boolean },
  ): void {
    const census = oncePerScrape(() => takeCensus(informers));
    gauge(registry, 'pgherd_instances', 'Instances that have a state, by whether they are ready.', ['ready'], (set) => {
      const count = { True: 0, False: 0 };
      for (const { state } of census()) {
        if (state) count[condition(state, 'Ready')?.status === 'True' ? 'True' : 'False'] += 1;
      }
      for (const [ready, instances] of Object.entries(count)) set({ ready }, instances);
    });
    gauge(registry, 'pgherd_ports_free', 'Public ports that no instance holds.', [], (set) =>
      set({}, herd.ports.free(herd.settings.portRange)),
    );
    gauge(registry, 'pgherd_ports', 'Public ports that there are.', [], (set) =>
      set({}, herd.settings.portRange.last - herd.settings.portRange.first + 1),
    );
    gauge(registry, 'pgherd_routers', 'Routers that are registered now.', [], (set) => set({}, herd.routers.size));
    fleetMetrics(registry, census, herd);
    cellGauges(registry, herd);
    if (perInstance) instanceMetrics(registry, census, herd);
  }

  /** Counts an error if it is a write that was refused because another controller leads. */
  noteRefusal(error: unknown): void {
    if (error instanceof DeposedError || (error as Error).cause instanceof DeposedError) this.#fenced.inc();
  }
}
