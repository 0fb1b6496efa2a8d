import type { Account } from '../../schema/credentials.ts';
import type { NodeId } from '../../schema/ids.ts';
import type { Clock } from '../../time/clock.ts';
import type { ContainerSettings } from './docker/container.ts';
import { DockerNode, type DockerSurroundings } from './docker/docker-node.ts';
import { Engine } from './docker/engine.ts';
import type { EngineAddress } from './docker/engine-address.ts';
import { HostPorts } from './docker/host-ports.ts';
import { Images } from './docker/images.ts';
import { cellLabel, parseLabels } from './docker/labels.ts';
import { type DockerRecord, RecordDirectory } from './docker/node-record.ts';
import { type Host, linuxCgroups } from './docker/proof.ts';
import { DataDirectory } from './process/data-directory.ts';
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
  /** What the agent remembers of its nodes; the data are in volumes of the engine. Locked against other agents. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly ports?: NodePortRange;
  /** How long a node may take to stop by itself before it is killed. */
  readonly stopPatienceMs?: number;
}

const inspectionIntervalMs = 10_000;
const retryIntervalMs = 2_000;
const reconnectMs = 1_000;

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
  readonly #around: DockerSurroundings;
  readonly #nodes = new Map<NodeId, DockerNode>();
  /** Nodes whose records cannot be read, with the reason. */
  readonly #unreadable = new Map<NodeId, Error>();
  #handler: (node: NodeId) => void = () => {};
  #adopting: Promise<void> | undefined;
  #adopted = false;
  #directoryProblem: string | undefined;
  #engineProblem: string | undefined;

  constructor(options: DockerRuntimeOptions) {
    const { clock } = options;
    this.#options = options;
    this.#directory = new DataDirectory(options.dataDir, clock);
    this.#engine = new Engine(options.engine, clock);
    this.#images = new Images(this.#engine, options.image, options.imageFile, clock);
    const host: Host = { table: linuxProcessTable, cgroups: linuxCgroups };
    this.#around = {
      engine: this.#engine,
      images: this.#images,
      host,
      ports: new HostPorts(options.ports),
      settings: options,
      clock,
      stopPatienceMs: options.stopPatienceMs ?? 20_000,
      killPatienceMs: 10_000,
      onChange: (node) => this.#handler(node),
    };
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
    await this.#readRecords();
    await this.#findForgotten();
    await Promise.all([...this.#nodes.values()].map((node) => node.adopt()));
    this.#adopted = true;
    this.#engineProblem = undefined;
    for (const node of this.#nodes.keys()) this.#handler(node);
  }

  async #readRecords(): Promise<void> {
    // Nothing in this directory is for the users that containers run as.
    const names = await this.#directory.open({ uid: 0, gid: 0 });
    for (const name of names) {
      if (this.#nodes.has(name)) continue;
      try {
        const record = await this.#recordDirectory(name).read();
        if (record) this.#add(record);
      } catch (error) {
        this.#unreadable.set(name, error as Error);
      }
    }
    this.#directoryProblem = await this.#directory.problem();
  }

  /** Containers of this cell that there is no record of: an earlier agent lost its data directory. */
  async #findForgotten(): Promise<void> {
    for (const { labels } of await this.#engine.list(`${cellLabel}=${this.#options.cell}`)) {
      const known = parseLabels(labels);
      if (!known || this.#nodes.has(known.node) || this.#unreadable.has(known.node)) continue;
      const { cell: _, ...rest } = known;
      const record: DockerRecord = { ...rest, complete: false, started: true };
      await this.#recordDirectory(record.node).write(record);
      this.#add(record);
    }
  }

  /** Supervises until the signal aborts; running nodes run on. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#images.run(signal), this.#follow(signal), this.#inspect(signal)]);
    } finally {
      for (const node of this.#nodes.values()) node.leave();
      this.#directory.unlock();
    }
  }

  /** Follows what the engine tells, and looks at everything whenever something may have been missed. */
  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const onOpen = () => void this.#lookAround();
        await this.#engine.follow(onOpen, (event) => this.#heard(event), signal);
        if (!signal.aborted) this.#engineProblem = `the container engine at ${this.#engine.name} has hung up`;
      } catch (error) {
        this.#engineProblem = (error as Error).message;
      }
      await this.#options.clock.sleep(reconnectMs, signal).catch(() => {});
    }
  }

  #heard({ action, labels }: { action: string; labels: Readonly<Record<string, string>> }): void {
    // Docker says destroy where podman says remove. What is done to files and processes in containers is no news.
    if (!['start', 'die', 'died', 'destroy', 'remove', 'stop', 'kill', 'oom', 'pause', 'unpause'].includes(action))
      return;
    const known = parseLabels(labels);
    if (known?.cell !== this.#options.cell) return;
    // When the engine cannot be asked now, the next look around is soon.
    this.#nodes
      .get(known.node)
      ?.look()
      .catch(() => {});
  }

  async #inspect(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pauseMs = this.#engineProblem ? retryIntervalMs : inspectionIntervalMs;
      await this.#options.clock.sleep(pauseMs, signal).catch(() => {});
      if (signal.aborted) return;
      this.#directoryProblem = await this.#directory.problem();
      if (this.#adopted) await this.#lookAround();
      else await this.adopt();
    }
  }

  /** Compares all nodes with what the engine says, and finds out whether it says anything. */
  async #lookAround(): Promise<void> {
    if (!this.#adopted) return;
    try {
      await this.#engine.ping();
      const containers = await this.#engine.list(`${cellLabel}=${this.#options.cell}`);
      const running = new Set(containers.flatMap((each) => (each.running ? [parseLabels(each.labels)?.node] : [])));
      const differing = [...this.#nodes.values()].filter((node) => node.isRunning !== running.has(node.record.node));
      await Promise.all(differing.map((node) => node.look()));
      this.#engineProblem = undefined;
    } catch (error) {
      this.#engineProblem = (error as Error).message;
    }
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
      throw new Error(`cannot start node ${node} in a container: ${(cause as Error).message}`, { cause });
    }
  }

  async #place({ node, instance, spec_hash }: NodeOrder['assignment']): Promise<DockerNode> {
    const ports = this.#around.ports.choose();
    const volume = this.#newVolume(node);
    const record: DockerRecord = {
      instance,
      node,
      specHash: spec_hash,
      ports,
      volume,
      complete: false,
      started: false,
    };
    try {
      await this.#recordDirectory(node).write(record);
    } catch (error) {
      this.#around.ports.release(ports);
      throw error;
    }
    return this.#add(record);
  }

  /** A name that no volume had before: one that was put aside may still be there. */
  #newVolume(node: NodeId): string {
    return `cf-${node}-${this.#options.clock.now().toString(36)}`;
  }

  #add(record: DockerRecord): DockerNode {
    this.#around.ports.reserve(record.ports);
    const node = new DockerNode(this.#recordDirectory(record.node), record, this.#around);
    this.#nodes.set(record.node, node);
    return node;
  }

  #recordDirectory(node: NodeId): RecordDirectory {
    return new RecordDirectory(this.#directory.node(node));
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
    return (await this.#nodes.get(node)?.putDataAside(noteAt, this.#newVolume(node))) ?? false;
  }

  async erase(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.erase();
    this.#nodes.delete(node);
  }

  async discard(node: NodeId): Promise<void> {
    await this.#nodes.get(node)?.discard(await this.#directory.trash(node));
    this.#nodes.delete(node);
  }
}
