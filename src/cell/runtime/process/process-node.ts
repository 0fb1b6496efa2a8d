import type { Assignment } from '../../../schema/assignment.ts';
import type { Account } from '../../../schema/credentials.ts';
import type { NodeId } from '../../../schema/ids.ts';
import type { EtcdStoreOptions } from '../../../store/etcd.ts';
import type { Clock } from '../../../time/clock.ts';
import { askForRestart } from '../ask-for-restart.ts';
import { patroniConfig, postInitSql } from '../patroni-config.ts';
import type { ProcessTable } from '../process-table.ts';
import type { NodeOrder, NodePorts, NodeSight, Readiness } from '../runtime.ts';
import { StatusPoller } from '../status-poller.ts';
import { type NodeUser, nodeCommand, type Programs } from './command-line.ts';
import type { NodeDirectory, NodeRecord } from './node-directory.ts';
import type { Ports } from './ports.ts';
import { binDirectory, processReadiness, versionFor } from './postgresql-versions.ts';
import { isAlive, makeSureNothingIsLeft } from './proof.ts';
import { Supervision } from './supervision.ts';

/** What all nodes of a cell share. */
export interface NodeSurroundings {
  readonly address: string;
  readonly store: EtcdStoreOptions;
  readonly user: NodeUser;
  readonly programs: Programs;
  readonly ports: Ports;
  readonly table: ProcessTable;
  readonly clock: Clock;
  readonly stopPatienceMs: number;
  readonly killPatienceMs: number;
  readonly unsafeNoFsync: boolean;
  readonly onChange: (node: NodeId) => void;
}

// How long to wait before a node is asked to stop once more.
const politenessMs = 500;

/** One node of the process runtime: its directory, its record and, while it runs, its supervision. */
export class ProcessNode {
  readonly #directory: NodeDirectory;
  readonly #around: NodeSurroundings;
  #record: NodeRecord;
  #watched: Watched | undefined;
  #unexpected: string | undefined;

  constructor(directory: NodeDirectory, record: NodeRecord, around: NodeSurroundings) {
    this.#directory = directory;
    this.#record = record;
    this.#around = around;
  }

  get record(): NodeRecord {
    return this.#record;
  }

  see(): NodeSight {
    const { instance, specHash, ports, started, complete } = this.#record;
    if (!started) return { state: 'stopped', instance, specHash };
    if (!this.#watched) return { state: 'ended', instance, specHash, unexpected: this.#unexpected, complete };
    const { supervision, poller } = this.#watched;
    return {
      state: 'running',
      instance,
      specHash,
      ports: this.#reachable(ports),
      pid: supervision.run.init.pid,
      directory: this.#directory.path,
      patroni: poller.status,
      complete,
    };
  }

  #reachable(ports: NodeRecord['ports']): NodePorts {
    const { address } = this.#around;
    return { postgresql: `${address}:${ports.postgresql}`, patroni: `${address}:${ports.patroni}` };
  }

  /** Takes over a node that an earlier agent started, if it still runs; resolves when its Patroni was asked once. */
  async adopt(): Promise<void> {
    const { table } = this.#around;
    const { run, started } = this.#record;
    if (!started) return;
    this.#unexpected = 'it ended while no agent was watching';
    if (!run || run.bootId !== table.bootId() || !isAlive(run, table)) return;
    await this.#watch(Supervision.adopt(run, this.#around)).poller.asked;
  }

  readiness(order: Assignment): Promise<Readiness> {
    return processReadiness(order, this.#directory.paths.data, this.#around.programs);
  }

  async start(order: NodeOrder): Promise<void> {
    const { address, store, programs, user, unsafeNoFsync } = this.#around;
    const directory = this.#directory;
    const readiness = await this.readiness(order.assignment);
    if (readiness.state === 'impossible') throw new Error(readiness.why);
    const ports = await this.#around.ports.choose(this.#record.ports);
    const { instance, node, spec_hash } = order.assignment;
    const { complete } = this.#record;
    const record: NodeRecord = { instance, node, specHash: spec_hash, ports, complete, started: true };
    await this.#remember(record);
    this.#unexpected = 'it could not be started';
    await directory.makeHome();
    const { paths } = directory;
    const postgresqlBin = binDirectory(programs, await versionFor(order.assignment, paths.data, programs));
    const config = patroniConfig({ order, address, ports, paths, store, unsafeNoFsync, postgresqlBin });
    await directory.writePrivate(directory.config, JSON.stringify(config, null, 1));
    await directory.writePrivate(paths.postInit, postInitSql(order));
    if (store.tls?.ca) await directory.writePrivate(paths.storeCa, store.tls.ca);
    if (store.tls?.cert) await directory.writePrivate(paths.storeCert, store.tls.cert);
    if (store.tls?.key) await directory.writePrivate(paths.storeKey, store.tls.key);

    const supervision = await Supervision.start(nodeCommand(user, programs, directory), {
      home: directory.home,
      output: directory.output,
      ...this.#around,
    });
    this.#watch(supervision);
    await this.#remember({ ...record, run: supervision.run });
  }

  async #remember(record: NodeRecord): Promise<void> {
    await this.#directory.writeRecord(record);
    this.#record = record;
  }

  #watch(supervision: Supervision): Watched {
    const { clock, onChange } = this.#around;
    const watched: Watched = {
      supervision,
      poller: new StatusPoller(),
      polling: new AbortController(),
      stopping: false,
    };
    this.#watched = watched;
    const node = this.#record.node;
    const { patroni } = this.#reachable(this.#record.ports);
    const changed = () => onChange(node);
    void watched.poller.run(patroni, clock, changed, watched.polling.signal);
    void supervision.ended.then((how) => {
      watched.polling.abort();
      this.#watched = undefined;
      this.#unexpected = watched.stopping ? undefined : `its processes ended (${how}), see ${this.#directory.path}`;
      changed();
    });
    return watched;
  }

  async stop(): Promise<void> {
    const watched = this.#watched;
    if (!watched) return;
    const { table, clock, stopPatienceMs } = this.#around;
    const { init } = watched.supervision.run;
    watched.stopping = true;
    const { ended } = watched.supervision;
    const deadlineMs = clock.monotonic() + stopPatienceMs;
    let isEnded = false;
    void ended.then(() => {
      isEnded = true;
    });
    while (!isEnded && clock.monotonic() < deadlineMs) {
      // Not to the wrapper, which would not pass it on. Again and again, because the init of a namespace does not get
      // signals that it has no handler for yet.
      table.kill(init, 'SIGTERM');
      const pause = new AbortController();
      await Promise.race([ended, clock.sleep(politenessMs, pause.signal).catch(() => {})]);
      pause.abort();
    }
    table.kill(init, 'SIGKILL');
    await ended;
    await this.prove();
  }

  async prove(): Promise<void> {
    const { table, clock, killPatienceMs } = this.#around;
    const { node, run } = this.#record;
    try {
      await makeSureNothingIsLeft(run, this.#directory.config, { table, clock, patienceMs: killPatienceMs });
    } catch (cause) {
      throw new Error(`cannot make sure that nothing of node ${node} is left`, { cause });
    }
  }

  async settle(): Promise<void> {
    const { run: _, ...record } = this.#record;
    await this.#remember({ ...record, started: false });
  }

  restartPending(admin: Account): Promise<void> {
    return askForRestart(this.#reachable(this.#record.ports).patroni, admin, this.#around.clock);
  }

  async complete(): Promise<void> {
    await this.#remember({ ...this.#record, complete: true });
  }

  putDataAside(to: string): Promise<boolean> {
    return this.#directory.moveDataTo(to);
  }

  async erase(): Promise<void> {
    await this.#directory.erase();
    this.#around.ports.release(this.#record.ports);
  }

  async discard(to: string): Promise<void> {
    await this.#directory.moveTo(to);
    this.#around.ports.release(this.#record.ports);
  }

  /** Stops watching; the node runs on. */
  leave(): void {
    this.#watched?.polling.abort();
    this.#watched?.supervision.leave();
  }
}

interface Watched {
  readonly supervision: Supervision;
  readonly poller: StatusPoller;
  readonly polling: AbortController;
  stopping: boolean;
}
