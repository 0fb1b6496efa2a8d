import type { Assignment } from '../../schema/assignment.ts';
import type { Account } from '../../schema/credentials.ts';
import type { NodeId } from '../../schema/ids.ts';
import type { EtcdStoreOptions } from '../../store/etcd.ts';
import type { Clock } from '../../time/clock.ts';
import { nearlyFull } from './disk-space.ts';
import { debianPrograms, nodeUser, type Programs } from './process/command-line.ts';
import { DataDirectory, defaultTrashRetentionMs } from './process/data-directory.ts';
import { DirectoryInUseError } from './process/directory-lock.ts';
import { NodeDirectory, type NodeRecord } from './process/node-directory.ts';
import { defaultNodePorts, type NodePortRange, Ports } from './process/ports.ts';
import { installedVersions, processReadiness } from './process/postgresql-versions.ts';
import { type NodeSurroundings, ProcessNode } from './process/process-node.ts';
import { linuxProcessTable } from './process-table.ts';
import type { NodeOrder, NodeSight, Proof, Readiness, Runtime } from './runtime.ts';

/** How the process runtime is set up. */
export interface ProcessRuntimeOptions {
  /** Where nodes live; locked against other agents. Its parents must be open to the user that nodes run as. */
  readonly dataDir: string;
  /** The address that nodes listen on. */
  readonly address: string;
  readonly store: EtcdStoreOptions;
  readonly clock: Clock;
  readonly ports?: NodePortRange;
  readonly programs?: Programs;
  /** How long data are kept that were put aside; default a week. */
  readonly trashRetentionMs?: number;
  /** How long a node may take to stop by itself before it is killed. */
  readonly stopPatienceMs?: number;
  /** Never wait for the disk: for tests, whose data may be lost. */
  readonly unsafeNoFsync?: boolean;
}

const inspectionIntervalMs = 10_000;

/**
 * Runs nodes as processes of this machine: the real Patroni and PostgreSQL, as an unprivileged user, each node in a PID
 * namespace of its own. Processes outlive the agent; the next one finds them by what `node.json` says of them.
 */
export class ProcessRuntime implements Runtime {
  readonly name = 'process';
  readonly takesImages = false;
  readonly #options: ProcessRuntimeOptions;
  readonly #directory: DataDirectory;
  readonly #ports: Ports;
  readonly #nodes = new Map<NodeId, ProcessNode>();
  /** Nodes whose records cannot be read, with the reason. */
  readonly #unreadable = new Map<NodeId, Error>();
  #handler: (node: NodeId) => void = () => {};
  #around: NodeSurroundings | undefined;
  #adopting: Promise<void> | undefined;
  #adopted = false;
  #problem: string | undefined;
  #disk: Runtime['disk'];
  #versions: readonly string[] | undefined;

  constructor(options: ProcessRuntimeOptions) {
    this.#options = options;
    this.#directory = new DataDirectory(options.dataDir, options.clock);
    this.#ports = new Ports(options.address, options.ports ?? defaultNodePorts);
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  get postgresqlVersions(): readonly string[] | undefined {
    return this.#versions;
  }

  get disk(): Runtime['disk'] {
    return this.#disk;
  }

  get dataPath(): string {
    return this.#options.dataDir;
  }

  onChange(handler: (node: NodeId) => void): void {
    this.#handler = handler;
  }

  nodes(): Iterable<NodeId> {
    return this.#nodes.keys();
  }

  see(node: NodeId): NodeSight {
    if (!this.#adopted || this.#unreadable.has(node)) return { state: 'unknown' };
    return this.#nodes.get(node)?.see() ?? { state: 'absent' };
  }

  /** Rejects when another agent works here. A directory that cannot be used is a problem, not an error. */
  async adopt(): Promise<void> {
    try {
      await this.#adopt();
    } catch (error) {
      if (error instanceof DirectoryInUseError) throw error;
      this.#problem = (error as Error).message;
    }
  }

  /** One at a time: everybody who wants to start a node may ask for it. */
  #adopt(): Promise<void> {
    this.#adopting ??= this.#findNodes().finally(() => {
      this.#adopting = undefined;
    });
    return this.#adopting;
  }

  async #findNodes(): Promise<void> {
    const names = await this.#directory.open(this.#surroundings().user);
    const found: ProcessNode[] = [];
    for (const name of names) {
      if (this.#nodes.has(name)) continue;
      const directory = this.#nodeDirectory(name);
      try {
        const record = await directory.readRecord();
        if (!record) continue;
        this.#ports.reserve(record.ports);
        found.push(this.#add(directory, record));
      } catch (error) {
        this.#unreadable.set(name, error as Error);
      }
    }
    await Promise.all(found.map((node) => node.adopt()));
    this.#adopted = true;
    for (const node of this.#nodes.keys()) this.#handler(node);
    this.#problem = await this.#directory.problem();
    this.#disk = await nearlyFull(this.dataPath);
    this.#versions = await installedVersions(this.#surroundings().programs);
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#options.clock.sleep(inspectionIntervalMs, signal);
        if (!this.#adopted) await this.adopt();
        this.#problem = (await this.#directory.problem()) ?? (this.#adopted ? undefined : this.#problem);
        this.#disk = await nearlyFull(this.dataPath);
        this.#versions = await installedVersions(this.#surroundings().programs);
        await this.#directory.emptyTrash(this.#options.trashRetentionMs ?? defaultTrashRetentionMs);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const node of this.#nodes.values()) node.leave();
      this.#directory.unlock();
    }
  }

  readiness(order: Assignment): Promise<Readiness> {
    const { programs } = this.#surroundings();
    const here = this.#nodes.get(order.node);
    return here ? here.readiness(order) : processReadiness(order, this.#nodeDirectory(order.node).paths.data, programs);
  }

  async start(order: NodeOrder): Promise<void> {
    const { node } = order.assignment;
    if (!this.#adopted) await this.#adopt();
    const unreadable = this.#unreadable.get(node);
    if (unreadable) throw unreadable;
    const here = this.#nodes.get(node);
    // It was found only now.
    if (here && here.see().state !== 'stopped') return;
    try {
      await (here ?? (await this.#place(order.assignment))).start(order);
    } catch (cause) {
      const path = this.#directory.node(node);
      throw new Error(`cannot start node ${node} in ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  async #place({ node, instance, spec_hash }: NodeOrder['assignment']): Promise<ProcessNode> {
    const directory = this.#nodeDirectory(node);
    const ports = await this.#ports.choose(undefined);
    const record: NodeRecord = { instance, node, specHash: spec_hash, ports, complete: false, started: false };
    try {
      await directory.writeRecord(record);
    } catch (error) {
      this.#ports.release(ports);
      throw error;
    }
    return this.#add(directory, record);
  }

  async stop(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.stop();
  }

  async prove(node: NodeId): Promise<Proof> {
    await this.#nodes.get(node)?.prove();
    return 'proven';
  }

  async settle(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.settle();
  }

  async restartPending(node: NodeId, admin: Account): Promise<void> {
    await this.#nodes.get(node)?.restartPending(admin);
  }

  async complete(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.complete();
  }

  async putDataAside(node: NodeId): Promise<boolean> {
    return (await this.#nodes.get(node)?.putDataAside(await this.#directory.trash(`${node}-data`))) ?? false;
  }

  async erase(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.erase();
    this.#nodes.delete(node);
  }

  async discard(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.discard(await this.#directory.trash(node));
    this.#nodes.delete(node);
  }

  #nodeDirectory(node: NodeId): NodeDirectory {
    return new NodeDirectory(this.#directory.node(node), this.#surroundings().user);
  }

  #add(directory: NodeDirectory, record: NodeRecord): ProcessNode {
    const node = new ProcessNode(directory, record, this.#surroundings());
    this.#nodes.set(record.node, node);
    return node;
  }

  #surroundings(): NodeSurroundings {
    const { address, store, clock, programs, stopPatienceMs, unsafeNoFsync } = this.#options;
    this.#around ??= {
      address,
      store,
      clock,
      user: nodeUser(),
      programs: programs ?? debianPrograms,
      ports: this.#ports,
      table: linuxProcessTable,
      stopPatienceMs: stopPatienceMs ?? 20_000,
      killPatienceMs: 10_000,
      unsafeNoFsync: unsafeNoFsync ?? false,
      onChange: (id) => this.#handler(id),
    };
    return this.#around;
  }
}
