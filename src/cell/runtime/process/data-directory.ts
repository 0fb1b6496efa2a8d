import { access, chmod, constants, mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeId } from '../../../schema/ids.ts';
import type { Clock } from '../../../time/clock.ts';
import { checkReach, type NodeUser } from './command-line.ts';
import { DirectoryInUseError, lockDirectory } from './directory-lock.ts';

/** How long data are kept that were put aside, unless told otherwise. */
export const defaultTrashRetentionMs = 7 * 24 * 3_600_000;

const leastFreeBytes = 64 * 1024 * 1024;

/** Where the nodes of one cell live: `nodes/`, `trash/`, and the lock. */
export class DataDirectory {
  readonly #path: string;
  readonly #clock: Clock;
  #unlock: (() => void) | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Makes and locks it, and resolves with the nodes in it. Rejects with `DirectoryInUseError` when it is locked. */
  async open(user: NodeUser): Promise<NodeId[]> {
    const nodes = join(this.#path, 'nodes');
    try {
      await mkdir(this.#path, { recursive: true });
      // On a read-only disk the next line would only say that something does not exist.
      await access(this.#path, constants.W_OK);
      await mkdir(nodes, { recursive: true });
      // Whatever the umask: the nodes' user must get in.
      await chmod(nodes, 0o755);
      this.#unlock ??= lockDirectory(this.#path, join(this.#path, 'lock'));
      await checkReach(nodes, user);
      return (await readdir(nodes)) as NodeId[];
    } catch (error) {
      if (error instanceof DirectoryInUseError) throw error;
      throw new Error(this.#unusable(error), { cause: error });
    }
  }

  unlock(): void {
    this.#unlock?.();
    this.#unlock = undefined;
  }

  /** What is wrong with it, as a sentence; undefined when nothing is. */
  async problem(): Promise<string | undefined> {
    try {
      await access(this.#path, constants.W_OK);
      const { bavail, bsize } = await statfs(this.#path);
      if (bavail * bsize >= leastFreeBytes) return undefined;
      return `data directory ${this.#path} is full: ${Math.floor((bavail * bsize) / 1024 ** 2)} MB are free`;
    } catch (error) {
      return this.#unusable(error);
    }
  }

  /**
   * Deletes what was put aside longer ago; resolves with how much that was. `eraseFirst` deletes what belongs to it and is
   * elsewhere. What cannot be deleted is kept for the next time: nothing here is a reason to stop watching over nodes.
   */
  async emptyTrash(retentionMs: number, eraseFirst: (path: string) => Promise<void> = async () => {}): Promise<number> {
    const trash = join(this.#path, 'trash');
    const names = await readdir(trash).catch(() => []);
    const old = names.filter((name) => this.#clock.now() - putAsideMs(name) > retentionMs);
    let deleted = 0;
    for (const path of old.map((name) => join(trash, name))) {
      try {
        await eraseFirst(path);
        await rm(path, { recursive: true, force: true });
        deleted += 1;
      } catch {}
    }
    return deleted;
  }

  #unusable(error: unknown): string {
    return `cannot use data directory ${this.#path}: ${(error as Error).message}`;
  }

  node(node: NodeId): string {
    return join(this.#path, 'nodes', node);
  }

  /** A new path for what is put aside. */
  async trash(name: string): Promise<string> {
    const trash = join(this.#path, 'trash');
    await mkdir(trash, { recursive: true, mode: 0o700 });
    const when = new Date(this.#clock.now()).toISOString().replaceAll(':', '');
    return join(trash, `${name}-${when}`);
  }
}

// The name ends with when: see `trash`. What somebody else has put there stays.
function putAsideMs(name: string): number {
  const [, day, hours, minutes, rest] = /-(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z$/.exec(name) ?? [];
  return day === undefined ? Number.POSITIVE_INFINITY : Date.parse(`${day}T${hours}:${minutes}:${rest}Z`);
}
