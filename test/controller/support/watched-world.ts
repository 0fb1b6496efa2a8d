import { Herd } from '../../../src/controller/view/herd.ts';
import { Informers } from '../../../src/controller/view/informers.ts';
import { createLogger } from '../../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../../src/engine/metrics.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { FakeClock, settle } from '../../fixtures/fake-clock.ts';
import { Simulation } from './simulation.ts';
import { World } from './world.ts';

/** A world with the controller's informers and indexes over it, and a registry for what is measured of it. */
export class WatchedWorld {
  readonly world = new World();
  readonly simulation = new Simulation(this.world);
  readonly clock = new FakeClock();
  readonly registry = new Registry();
  readonly informers: Informers;
  readonly herd: Herd;
  readonly #stop = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor() {
    const { clock, world } = this;
    const store = new MemoryStore({ clock, keyspace: world.keyspace });
    const logger = createLogger({ level: 'fatal', format: 'json', destination: { write: () => {} } });
    const { informers: metrics } = new EngineMetrics(new Registry());
    this.informers = new Informers({ store, clock, logger, metrics, settings: world.settings });
    this.herd = new Herd(world.settings, this.informers);
  }

  /** Resolves when everything that is there is known. */
  async start(): Promise<void> {
    const { instances, scopes, cells, routing, bindings } = this.informers;
    const all = [instances, scopes, cells, routing, bindings];
    this.#running = Promise.all(all.map((informer) => informer.run(this.#stop.signal)));
    await settle();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** The series of a metric as they are scraped: labels → value. */
  async series(metric: string): Promise<Record<string, number>> {
    const text = await this.registry.getSingleMetricAsString(metric);
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return Object.fromEntries(
      lines.map((line) => {
        const [, labels = '', value = ''] = /^[^{ ]+(?:\{(.*)\})? (.+)$/.exec(line) ?? [];
        return [labels.replaceAll('"', ''), Number(value)];
      }),
    );
  }
}
