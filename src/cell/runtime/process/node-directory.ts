import { chmod, lchown, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import type { NodePaths } from '../patroni-config.ts';
import type { NodeUser } from './command-line.ts';
import type { PortPair } from './ports.ts';
import type { Run } from './proof.ts';

/** What the agent must remember of a node. */
export interface NodeRecord {
  readonly instance: InstanceId;
  readonly node: NodeId;
  readonly specHash: string;
  readonly ports: PortPair;
  /** False until its instance was seen bootstrapped. */
  readonly complete: boolean;
  /** True from before its processes are started until they are settled. */
  readonly started: boolean;
  /** Which processes those are; absent when the agent crashed before it knew. */
  readonly run?: Run;
}

/**
 * The directory of one node. It and the files in it are the agent's; `home` below it is the node's own. A tenant who is
 * superuser can run programs as the node's user: so the agent, which may be root, never writes where that user can.
 *
 *     <node>/node.json      the record: exists before and until after everything else
 *     <node>/patroni.json   configuration with passwords, readable by the node's user only
 *     <node>/home/          data, logs, pgpass
 */
export class NodeDirectory {
  readonly path: string;
  readonly config: string;
  readonly lock: string;
  readonly output: string;
  readonly home: string;
  readonly paths: NodePaths;
  readonly #user: NodeUser;

  constructor(path: string, user: NodeUser) {
    this.#user = user;
    this.path = path;
    this.config = join(path, 'patroni.json');
    this.lock = join(path, 'lock');
    this.output = join(path, 'output.log');
    this.home = join(path, 'home');
    this.paths = {
      data: join(this.home, 'pg'),
      log: join(this.home, 'log'),
      pgpass: join(this.home, 'pgpass'),
      postInit: join(path, 'post-init.sql'),
      storeCa: join(path, 'store-ca.pem'),
      storeCert: join(path, 'store-cert.pem'),
      storeKey: join(path, 'store-key.pem'),
    };
  }

  get #record(): string {
    return join(this.path, 'node.json');
  }

  /** Undefined when there is no such node here. */
  async readRecord(): Promise<NodeRecord | undefined> {
    try {
      return JSON.parse(await readFile(this.#record, 'utf8')) as NodeRecord;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(`cannot read ${this.#record}: ${(error as Error).message}`, { cause: error });
    }
  }

  async writeRecord(record: NodeRecord): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await chmod(this.path, 0o755);
    await this.#write(this.#record, JSON.stringify(record));
  }

  /** Makes the node's home; call after the record was written. */
  async makeHome(): Promise<void> {
    for (const path of [this.home, this.paths.log]) {
      try {
        await mkdir(path, { mode: 0o700 });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if ((await lstat(path)).isDirectory()) continue;
        throw error;
      }
      if (this.#user.switchTo) await lchown(path, this.#user.uid, this.#user.gid);
    }
  }

  /** Writes a file that only the node's user can read. */
  async writePrivate(path: string, content: string | Buffer): Promise<void> {
    await this.#write(path, content, this.#user);
  }

  async #write(path: string, content: string | Buffer, owner?: NodeUser): Promise<void> {
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(content);
      if (owner?.switchTo) await file.chown(owner.uid, owner.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  }

  /** Deletes everything, the record last: what was begun is found again. */
  async erase(): Promise<void> {
    await rm(this.home, { recursive: true, force: true });
    await rm(this.path, { recursive: true, force: true });
  }

  /** Moves the whole node. */
  async moveTo(path: string): Promise<void> {
    await rename(this.path, path);
  }

  /** Moves the node's data; false when there were none. */
  async moveDataTo(path: string): Promise<boolean> {
    try {
      await rename(this.paths.data, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }
}
