import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import type { PortPair } from '../process/ports.ts';
import type { Run } from '../process/proof.ts';

/** What the agent must remember of a node in a container. */
export interface DockerRecord {
  readonly instance: InstanceId;
  readonly node: NodeId;
  readonly specHash: string;
  readonly ports: PortPair;
  /** The volume with its data, or the path of their directory. */
  readonly volume: string;
  /** False until its instance was seen bootstrapped. */
  readonly complete: boolean;
  /** True from before its container is created until it is settled. */
  readonly started: boolean;
  /** The container's first process, as this machine's kernel knows it; absent when that was not seen. */
  readonly run?: Run;
  /** Whether the last container, which is removed, had data. */
  readonly hadData?: boolean;
  /** The boot in which a run was lost from sight: until the next one, nothing of this node can be proved. */
  readonly doubtfulSince?: string;
}

/** The directory of one node: `node.json`, the record, and `output.log`, the last words of its last container. */
export class RecordDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get #file(): string {
    return join(this.path, 'node.json');
  }

  /** Undefined when there is no such node here. */
  async read(): Promise<DockerRecord | undefined> {
    try {
      return JSON.parse(await readFile(this.#file, 'utf8')) as DockerRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(`cannot read ${this.#file}: ${(error as Error).message}`, { cause: error });
    }
  }

  async write(record: DockerRecord): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const temporary = `${this.#file}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(record));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.#file);
  }

  /** Keeps what a container that is about to be removed wrote last. */
  async keepOutput(text: string): Promise<void> {
    await writeFile(join(this.path, 'output.log'), text, { mode: 0o600 });
  }

  async erase(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }

  /** Moves it to where a person finds it: it names the volume. */
  async moveTo(path: string): Promise<void> {
    await rename(this.path, path);
  }
}
