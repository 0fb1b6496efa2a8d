import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdStore } from '../../src/store/etcd.ts';
import { type Op, prefixRange } from '../../src/store/store.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { Daemon } from '../fixtures/process.ts';
import { cpuMs, sumOfSeries } from './process-figures.ts';
import { Restarter } from './restarter.ts';
import { StoreTraffic } from './store-traffic.ts';

const metricsAddress = '127.0.44.1:9000';
/** How long a cell has to be gone in this fleet, so that a bench need not wait for long. */
const cellLostAfter = '40s';

/** Processor time that the controller has used, and events that it has used it for. */
export interface Work {
  readonly cpuMs: number;
  readonly events: number;
}

/** A real etcd and a real controller that is started again whenever it ends, and a fleet of hollow cells and nodes. */
export class HollowFleet {
  readonly store: EtcdStore;
  readonly traffic: StoreTraffic;
  readonly controller: Restarter;
  readonly #controllerDaemon: Daemon;
  readonly #hollow: Daemon;
  readonly etcd: EtcdProcess;
  readonly #dir: string;
  readonly #stopping = new AbortController();
  #listening: Promise<void> = Promise.resolve();
  /** Share of a core. */
  cpuAtRest = 0;

  constructor(dir: string, etcd: EtcdProcess, cells: number) {
    this.#dir = dir;
    this.etcd = etcd;
    const ports = '40000-59999';
    const args = ['--ports', ports, '--metrics', metricsAddress, '--cell-lost-after', cellLostAfter];
    this.#controllerDaemon = new Daemon('controller', ['controller', '--etcd', etcd.endpoint, ...args], dir);
    this.controller = new Restarter(this.#controllerDaemon);
    this.#hollow = new Daemon('hollow', [etcd.endpoint, String(cells), ports], dir, 'test/bench/hollow-herd.js');
    // A bench is to measure a slow store, not to give up on it.
    this.store = new EtcdStore({ endpoints: [etcd.endpoint], callTimeoutMs: 60_000 });
    this.traffic = new StoreTraffic(this.store);
  }

  /** The processes of the fleet that must not end. */
  get isWhole(): boolean {
    return this.#hollow.isRunning;
  }

  get controllerPid(): number {
    return this.#controllerDaemon.pid;
  }

  async start(cells: number): Promise<void> {
    this.#listening = this.traffic.run(this.#stopping.signal);
    this.#hollow.start();
    this.controller.start();
    for (const [prefix, count] of [
      ['/cells/registered/', cells],
      ['/routing/routers/', 1],
      ['/pgherd/leader', 1],
    ] as const) {
      for (let tries = 0; (await this.store.list(prefixRange(prefix))).kvs.length < count; tries++) {
        if (tries === 600) throw new Error(`fewer than ${count} keys below ${prefix} after a minute`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.controller.stop(), this.#hollow.end(), this.#listening]);
    await this.store.close();
    await this.etcd.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Puts a document for each of these instances; resolves with the revision of the last. */
  async put(ids: readonly string[], document: object): Promise<bigint> {
    let last = 0n;
    for (let first = 0; first < ids.length; first += 100) {
      const value = JSON.stringify(document);
      const then = ids
        .slice(first, first + 100)
        .map((id): Op => ({ type: 'put', key: `/serviceinstances/${id}`, value }));
      last = (await this.store.txn({ if: [], then })).revision;
    }
    return last;
  }

  /** Puts them, and resolves once all say that they are Ready as this document wants it. */
  async converge(ids: readonly string[], document: object): Promise<void> {
    const { revision } = await this.store.identity();
    await this.put(ids, document);
    const areReady = () => ids.every((id) => (this.traffic.ready.get(id) ?? 0n) > revision);
    await this.traffic.until(`${ids.length} instances to be Ready`, areReady);
  }

  /** The machine of the first cell is gone, with everything that runs on it. */
  loseFirstCell(): void {
    this.#hollow.signal('SIGHUP');
  }

  /** All databases are used from now on, and their members heartbeat; or no longer. */
  toggleLoad(): void {
    this.#hollow.signal('SIGUSR2');
  }

  /** Finds out how much of a core the controller uses while nothing happens. */
  async measureRest(forMs: number): Promise<void> {
    const before = cpuMs(this.controllerPid);
    await new Promise((resolve) => setTimeout(resolve, forMs));
    this.cpuAtRest = (cpuMs(this.controllerPid) - before) / forMs;
  }

  async work(): Promise<Work> {
    const events = await sumOfSeries(`http://${metricsAddress}/metrics`, 'informer_events_total');
    return { cpuMs: cpuMs(this.controllerPid), events };
  }
}

/** Starts such a fleet and waits until its cells and its router are there. */
export async function startHollowFleet(cells: number): Promise<HollowFleet> {
  const dir = mkdtempSync('/var/tmp/pgherd-test/fleet-');
  const args = ['--quota-backend-bytes', '4294967296'];
  const etcd = await startEtcd({ dataDir: join(dir, 'etcd'), fsync: true, args });
  const fleet = new HollowFleet(dir, etcd, cells);
  await fleet.start(cells);
  return fleet;
}
