import { readFile, writeFile } from 'node:fs/promises';
import type { Logger } from '../engine/logger.ts';
import type { Store } from '../store/store.ts';

export interface StoreGuardOptions {
  readonly store: Pick<Store, 'identity'>;
  /** Where it is kept which store this router follows. */
  readonly path: string;
  readonly logger: Logger;
}

/**
 * Tells an instance that was deleted from a store that was lost: a new, empty or restored store would have us cut every
 * session of the herd. Once in doubt it stays so until an operator removes the file and restarts the router.
 */
export class StoreGuard {
  readonly #options: StoreGuardOptions;
  #known: { readonly clusterId: string; readonly revision: bigint } | undefined;
  #problem: string | undefined;

  constructor(options: StoreGuardOptions) {
    this.#options = options;
  }

  /** Why the store is not followed any more, undefined while it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks the store who it is. Resolves to whether it is the one we know, no older than it was; the first one is. */
  async check(): Promise<boolean> {
    if (this.#problem !== undefined) return false;
    const { store, path, logger } = this.#options;
    const { clusterId, revision } = await store.identity();
    const known = this.#known ?? (await readKnown(path));
    if (known && (known.clusterId !== clusterId || revision < known.revision)) {
      this.#problem =
        known.clusterId === clusterId
          ? `the store went back from revision ${known.revision} to ${revision}`
          : `the store is ${clusterId}, another one than ${known.clusterId}`;
      this.#problem += `: routes stay as they are; to follow it, remove ${path} and restart the router`;
      logger.error({ problem: this.#problem }, 'the store is not followed');
      return false;
    }
    this.#known = { clusterId, revision };
    try {
      await writeFile(path, JSON.stringify({ cluster_id: clusterId, revision: revision.toString() }));
    } catch (error) {
      // A full disk is no reason to leave routes as they were.
      logger.warn({ err: error, path }, 'what store is followed cannot be kept');
    }
    return true;
  }
}

async function readKnown(path: string): Promise<{ clusterId: string; revision: bigint } | undefined> {
  try {
    const { cluster_id, revision } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    return { clusterId: String(cluster_id), revision: BigInt(String(revision)) };
  } catch {
    return undefined;
  }
}
