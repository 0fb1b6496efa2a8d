import { resolve } from 'node:path';
import type { Account } from '../../schema/credentials.ts';
import type { NodeId } from '../../schema/ids.ts';
import type { Clock } from '../../time/clock.ts';
import { nearlyFull } from './disk-space.ts';
import type { ContainerSettings } from './docker/container.ts';
import { type ContainerNewsListener, followContainers } from './docker/container-news.ts';
import type { DockerSurroundings } from './docker/docker-node.ts';
import { DockerNodes } from './docker/docker-nodes.ts';
import { Engine } from './docker/engine.ts';
import type { EngineAddress } from './docker/engine-address.ts';
import { HostPorts } from './docker/host-ports.ts';
import { Images } from './docker/images.ts';
import { type DataKind, NodeData } from './docker/node-data.ts';
import { type Host, linuxCgroups } from './docker/proof.ts';
import { DataDirectory, defaultTrashRetentionMs } from './process/data-directory.ts';
import { DirectoryInUseError } from './process/directory-lock.ts';
import type { NodePortRange } from './process/ports.ts';
import { linuxProcessTable } from './process-table.ts';
import type { NodeOrder, NodeSight, Proof, Readiness, Runtime } from './runtime.ts';

/** How the docker runtime is set up. */
export interface DockerRuntimeOptions extends ContainerSettings {
  readonly engine: EngineAddress;
  /** What nodes are containers of; best by digest (`name@sha256:…`). */
  readonly image: string;
  /** What `docker save` made; with it nothing is pulled. */
  readonly imageFile?: string;
  /** What the agent remembers of its nodes, and their data unless these are in volumes. Locked against other agents. */
  readonly dataDir: string;
  /** What the data of new nodes are in; default: volumes of the engine. */
  readonly data?: DataKind;
  readonly clock: Clock;
  readonly ports?: NodePortRange;
  /** How long data are kept that were put aside; default a week. */
  readonly trashRetentionMs?: number;
  /** How long a node may take to stop by itself before it is killed. */
  readonly stopPatienceMs?: number;
}

const inspectionIntervalMs = 10_000;
const retryIntervalMs = 2_000;

/**
 * Runs nodes as containers of Docker, or of whatever else speaks the Docker Engine API 1.41. Containers outlive the agent,
 * and an engine that has `live-restore` as well: the next agent finds them by `node.json`, or else by their labels.
 */
export class DockerRuntime implements Runtime {
  readonly name = 'docker';
  readonly takesImages = true;
  readonly #options: DockerRuntimeOptions;
  readonly #directory: DataDirectory;
  readonly #engine: Engine;
  readonly #images: Images;
  readonly #data: NodeData;
  readonly #nodes: DockerNodes;
  #handler: (node: NodeId) => void = () => {};
  #adopting: Promise<void> | undefined;
  #adopted = false;
  #directoryProblem: string | undefined;
  #engineProblem: string | undefined;
  #dataPath: string | undefined;
  #disk: Runtime['disk'];

  constructor(options: DockerRuntimeOptions) {
    const { clock, dataDir, cell, data: kind = 'volume' } = options;
    this.#options = options;
    this.#directory = new DataDirectory(dataDir, clock);
    this.#engine = new Engine(options.engine, clock);
    this.#images = new Images(this.#engine, options.image, options.imageFile, clock);
    this.#data = new NodeData({ engine: this.#engine, cell, kind, directory: resolve(dataDir, 'data'), clock });
    const host: Host = { table: linuxProcessTable, cgroups: linuxCgroups };
    const around: DockerSurroundings = {
      engine: this.#engine,
      images: this.#images,
      data: this.#data,
      host,
      ports: new HostPorts(options.ports),
      settings: options,
      clock,
      stopPatienceMs: options.stopPatienceMs ?? 20_000,
      killPatienceMs: 10_000,
      onChange: (node) => this.#handler(node),
    };
    this.#nodes = new DockerNodes(this.#directory, around);
  }

  get problem(): string | undefined {
    return this.#directoryProblem ?? this.#engineProblem ?? this.#images.problem;
  }

  get postgresqlVersions(): readonly string[] | undefined {
    const version = this.#images.postgresql;
    return version === undefined ? undefined : [version];
  }

  readiness(order: NodeOrder['assignment']): Promise<Readiness> {
    return this.#nodes.get(order.node)?.readiness(order) ?? this.#images.readiness(order, undefined);
  }

  get disk(): Runtime['disk'] {
    return this.#disk;
  }

  get dataPath(): string | undefined {
    return this.#dataPath;
  }

  onChange(handler: (node: NodeId) => void): void {
    this.#handler = handler;
  }

  nodes(): Iterable<NodeId> {
    return this.#nodes.keys();
  }

  see(node: NodeId): NodeSight {
    if (!this.#adopted || this.#nodes.unreadable(node)) return { state: 'unknown' };
    return this.#nodes.get(node)?.see() ?? { state: 'absent' };
  }

  /** Rejects when another agent works here. An engine that does not answer is a problem, not an error. */
  async adopt(): Promise<void> {
    try {
      await this.#adopt();
    } catch (error) {
      if (error instanceof DirectoryInUseError) throw error;
      this.#engineProblem = (error as Error).message;
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
    await this.#nodes.find();
    this.#directoryProblem = await this.#directory.problem();
    this.#adopted = true;
    this.#engineProblem = undefined;
    await this.#lookAtDisk();
    for (const node of this.#nodes.keys()) this.#handler(node);
  }

  /** Supervises until the signal aborts; running nodes run on. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#images.run(signal), this.#follow(signal), this.#inspect(signal)]);
    } finally {
      for (const node of this.#nodes.all()) node.leave();
      this.#directory.unlock();
    }
  }

  /** Looks at what the engine tells of, and at everything whenever something may have been missed. */
  #follow(signal: AbortSignal): Promise<void> {
    const listener: ContainerNewsListener = {
      onOpen: () => void this.#lookAround(),
      onNode: ({ cell, node }) => {
        if (cell !== this.#options.cell) return;
        // When the engine cannot be asked now, the next look around is soon.
        this.#nodes
          .get(node)
          ?.look()
          .catch(() => {});
      },
      onProblem: (why) => {
        this.#engineProblem = why;
      },
    };
    return followContainers(this.#engine, this.#options.clock, listener, signal);
  }

  async #inspect(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pauseMs = this.#engineProblem ? retryIntervalMs : inspectionIntervalMs;
      await this.#options.clock.sleep(pauseMs, signal).catch(() => {});
      if (signal.aborted) return;
      this.#directoryProblem = await this.#directory.problem();
      if (!this.#adopted) await this.adopt();
      else await this.#lookAround();
      if (this.#engineProblem) continue;
      await this.#lookAtDisk();
      await this.#directory.emptyTrash(this.#options.trashRetentionMs ?? defaultTrashRetentionMs, (path) =>
        this.#nodes.eraseDataOf(path),
      );
    }
  }

  async #lookAtDisk(): Promise<void> {
    const { data, dataDir, engine } = this.#options;
    if (data === 'directory') this.#dataPath = dataDir;
    // Of an engine elsewhere the disk cannot be seen.
    else if ('socketPath' in engine) this.#dataPath ??= await this.#engine.dataRoot().catch(() => undefined);
    this.#disk = this.#dataPath === undefined ? undefined : await nearlyFull(this.#dataPath);
  }

  /** Compares all nodes with what the engine says, and finds out whether it says anything. */
  async #lookAround(): Promise<void> {
    if (!this.#adopted) return;
    try {
      await this.#engine.ping();
      await this.#nodes.compare();
      this.#engineProblem = undefined;
    } catch (error) {
      this.#engineProblem = (error as Error).message;
    }
  }

  async start(order: NodeOrder): Promise<void> {
    const { node } = order.assignment;
    if (!this.#adopted) await this.#adopt();
    const unreadable = this.#nodes.unreadable(node);
    if (unreadable) throw unreadable;
    const here = this.#nodes.get(node);
    // It was found only now.
    if (here && here.see().state !== 'stopped') return;
    try {
      await (here ?? (await this.#nodes.place(order.assignment))).start(order);
    } catch (cause) {
      throw new Error(`cannot start node ${node} in a container: ${(cause as Error).message}`, { cause });
    }
  }

  async stop(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.stop();
  }

  async prove(node: NodeId): Promise<Proof> {
    return (await this.#nodes.get(node)?.prove()) ?? 'unproven';
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
    const noteAt = await this.#directory.trash(`${node}-data`);
    return (await this.#nodes.get(node)?.putDataAside(noteAt, this.#data.newName(node))) ?? false;
  }

  async erase(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.erase();
    this.#nodes.forget(node);
  }

  async discard(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.discard(await this.#directory.trash(node));
    this.#nodes.forget(node);
  }
}
