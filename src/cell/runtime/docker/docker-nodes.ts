import type { Assignment } from '../../../schema/assignment.ts';
import type { NodeId } from '../../../schema/ids.ts';
import type { DataDirectory } from '../process/data-directory.ts';
import { DockerNode, type DockerSurroundings } from './docker-node.ts';
import { cellLabel, parseLabels } from './labels.ts';
import { type DockerRecord, RecordDirectory } from './node-record.ts';

/** The nodes of one docker cell: found by their records, or else by the labels of their containers. */
export class DockerNodes {
  readonly #directory: DataDirectory;
  readonly #around: DockerSurroundings;
  readonly #nodes = new Map<NodeId, DockerNode>();
  /** Nodes whose records cannot be read, with the reason. */
  readonly #unreadable = new Map<NodeId, Error>();

  constructor(directory: DataDirectory, around: DockerSurroundings) {
    this.#directory = directory;
    this.#around = around;
  }

  get(node: NodeId): DockerNode | undefined {
    return this.#nodes.get(node);
  }

  keys(): Iterable<NodeId> {
    return this.#nodes.keys();
  }

  all(): DockerNode[] {
    return [...this.#nodes.values()];
  }

  /** Why nothing is known of a node that is here. */
  unreadable(node: NodeId): Error | undefined {
    return this.#unreadable.get(node);
  }

  /** Finds what earlier agents left, and takes it over. */
  async find(): Promise<void> {
    await this.#readRecords();
    await this.#findForgotten();
    await Promise.all(this.all().map((node) => node.adopt()));
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
  }

  /** Containers of this cell that there is no record of: an earlier agent lost its data directory. */
  async #findForgotten(): Promise<void> {
    const { engine, settings } = this.#around;
    for (const { labels } of await engine.list(`${cellLabel}=${settings.cell}`)) {
      const known = parseLabels(labels);
      if (!known || this.#nodes.has(known.node) || this.#unreadable.has(known.node)) continue;
      const { cell: _, ...rest } = known;
      const record: DockerRecord = { ...rest, complete: false, started: true };
      await this.#recordDirectory(record.node).write(record);
      this.#add(record);
    }
  }

  /** Makes room for a new node. */
  async place({ node, instance, spec_hash: specHash }: Assignment): Promise<DockerNode> {
    const { ports, data } = this.#around;
    const pair = ports.choose();
    const volume = data.newName(node);
    const record = { instance, node, specHash, ports: pair, volume, complete: false, started: false };
    try {
      await this.#recordDirectory(node).write(record);
    } catch (error) {
      ports.release(pair);
      throw error;
    }
    return this.#add(record);
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

  /** Compares all nodes with what the engine says. */
  async compare(): Promise<void> {
    const { engine, settings } = this.#around;
    const containers = await engine.list(`${cellLabel}=${settings.cell}`);
    const running = new Set(containers.flatMap((each) => (each.running ? [parseLabels(each.labels)?.node] : [])));
    const differing = this.all().filter((node) => node.isRunning !== running.has(node.record.node));
    await Promise.all(differing.map((node) => node.look()));
  }

  /** Deletes the data that a note in the trash names, unless a node has them. */
  async eraseDataOf(note: string): Promise<void> {
    const record = await new RecordDirectory(note).read();
    if (!record || this.all().some((node) => node.record.volume === record.volume)) return;
    await this.#around.data.erase(record.volume);
  }

  forget(node: NodeId): void {
    this.#nodes.delete(node);
  }
}
