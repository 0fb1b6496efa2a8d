import { Counter, Gauge, type Registry } from '../engine/metrics.ts';
import { condition } from '../schema/observed-state.ts';
import type { Herd } from './view/herd.ts';
import type { Informers } from './view/informers.ts';

/** What the controller counts of its own. */
export class ControllerMetrics {
  readonly commits: Counter;
  readonly conflicts: Counter;

  constructor(registry: Registry) {
    this.commits = new Counter({
      name: 'pgherd_commits_total',
      help: 'Transactions that the controller committed; at rest there are none.',
      registers: [registry],
    });
    this.conflicts = new Counter({
      name: 'pgherd_conflicts_total',
      help: 'Passes that looked again because the store had changed since.',
      registers: [registry],
    });
  }

  /** Adds what is counted when it is asked for. */
  observe(registry: Registry, informers: Informers, herd: Herd): void {
    new Gauge({
      name: 'pgherd_instances',
      help: 'Instances that have a state, by whether they are ready.',
      labelNames: ['ready'],
      registers: [registry],
      collect() {
        const count = { True: 0, False: 0 };
        for (const { value } of informers.scopes.entries()) {
          if (value.kind !== 'state') continue;
          const ready = value.value.ok && condition(value.value.value, 'Ready')?.status === 'True';
          count[ready ? 'True' : 'False'] += 1;
        }
        for (const [ready, instances] of Object.entries(count)) this.set({ ready }, instances);
      },
    });
    new Gauge({
      name: 'pgherd_ports_free',
      help: 'Public ports that no instance holds.',
      registers: [registry],
      collect() {
        this.set(herd.ports.free(herd.settings.portRange));
      },
    });
  }
}
