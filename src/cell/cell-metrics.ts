import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { Counter, Gauge, type Registry } from '../engine/metrics.ts';
import type { Release } from './proved-release.ts';
import type { Runtime } from './runtime/runtime.ts';

/** What a cell measures besides its engine. */
export class CellMetrics {
  readonly #starts: Counter;
  readonly #ends: Counter;
  readonly #rebuilds: Counter;

  constructor(registry: Registry, runtime: Runtime) {
    const registers = [registry];
    this.#starts = new Counter({ name: 'pgherd_node_starts_total', help: 'Starts of nodes on this cell.', registers });
    this.#ends = new Counter({
      name: 'pgherd_node_ends_total',
      help: 'Nodes that ended by themselves, by whether their leader key was released.',
      labelNames: ['leader_key'],
      registers,
    });
    this.#rebuilds = new Counter({
      name: 'pgherd_node_rebuilds_total',
      help: 'Nodes whose data were put aside, so that they begin without.',
      registers,
    });
    diskMetrics(registry, runtime);
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

  rebuilt(): void {
    this.#rebuilds.inc();
  }

  started(): void {
    this.#starts.inc();
  }

  ended(leaderKey: Release): void {
    this.#ends.inc({ leader_key: leaderKey });
  }
}

// A disk that cannot be asked has no series: `absent()` tells, and the registration says why.
function diskMetrics(registry: Registry, runtime: Runtime): void {
  const disk = (name: string, help: string, bytes: (of: StatsFs) => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.reset();
        const of = runtime.dataPath === undefined ? undefined : await statfs(runtime.dataPath).catch(() => undefined);
        if (of) this.set(bytes(of));
        else this.remove();
      },
    });
  disk('pgherd_cell_disk_bytes', 'Size of the disk that the nodes of this cell live on.', (of) => of.blocks * of.bsize);
  disk('pgherd_cell_disk_available_bytes', 'What of it can still be written by nodes.', (of) => of.bavail * of.bsize);
}
