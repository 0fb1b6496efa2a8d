import { Counter, Gauge, type Registry } from '../engine/metrics.ts';
import type { Release } from './proved-release.ts';
import type { Runtime } from './runtime/runtime.ts';

/** What a cell measures besides its engine. */
export class CellMetrics {
  readonly #starts: Counter;
  readonly #ends: Counter;

  constructor(registry: Registry, runtime: Runtime) {
    const registers = [registry];
    this.#starts = new Counter({ name: 'pgherd_node_starts_total', help: 'Starts of nodes on this cell.', registers });
    this.#ends = new Counter({
      name: 'pgherd_node_ends_total',
      help: 'Nodes that ended by themselves, by whether their leader key was released.',
      labelNames: ['leader_key'],
      registers,
    });
    this.#ends.inc({ leader_key: 'released' }, 0);
    this.#ends.inc({ leader_key: 'not-leader' }, 0);
    this.#ends.inc({ leader_key: 'unproven' }, 0);
    new Gauge({
      name: 'pgherd_nodes',
      help: 'Nodes on this cell, by what the runtime sees of them.',
      labelNames: ['state'],
      registers,
      collect() {
        const counts = { running: 0, ended: 0, stopped: 0, unknown: 0, absent: 0 };
        for (const node of runtime.nodes()) counts[runtime.see(node).state] += 1;
        for (const state of ['running', 'ended', 'stopped'] as const) this.set({ state }, counts[state]);
      },
    });
  }

  started(): void {
    this.#starts.inc();
  }

  ended(leaderKey: Release): void {
    this.#ends.inc({ leader_key: leaderKey });
  }
}
