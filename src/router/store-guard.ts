import { readFile, writeFile } from 'node:fs/promises';
import type { Logger } from '../engine/logger.ts';
import { parseRestoration, restorationKey } from '../schema/restoration.ts';
import type { Store } from '../store/store.ts';

export interface StoreGuardOptions {
  readonly store: Pick<Store, 'identity' | 'get'>;
  /** Where it is kept which store this router follows. */
  readonly path: string;
  readonly logger: Logger;
}

interface Known {
  readonly clusterId: string;
  readonly revision: bigint;
  /** The restoration that was believed last. */
  readonly restoration?: string;
}

/**
 * Tells an instance that was deleted from a store that was lost: a new, empty or restored store would have us cut every
 * session of the herd. Once in doubt it stays so until the store says that it was restored from a snapshot of the known
 * one, or an operator removes the file and restarts the router.
 */
export class StoreGuard {
  readonly #options: StoreGuardOptions;
  #known: Known | undefined;
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
    if (this.#problem !== undefined && !(await this.#followRestoration())) return false;
    const { store, path, logger } = this.#options;
    const { clusterId, revision } = await store.identity();
    const known = this.#known ?? (await readKnown(path));
    if (known && (known.clusterId !== clusterId || revision < known.revision)) {
      this.#known = known;
      this.#problem =
        known.clusterId === clusterId
          ? `the store went back from revision ${known.revision} to ${revision}`
          : `the store is ${clusterId}, another one than ${known.clusterId}`;
      this.#problem += `: routes stay as they are; to follow it, remove ${path} and restart the router`;
      logger.error({ problem: this.#problem }, 'the store is not followed');
      if (!(await this.#followRestoration())) return false;
    }
    const { restoration } = this.#known ?? known ?? {};
    this.#known = { clusterId, revision, ...(restoration !== undefined && { restoration }) };
    try {
      const kept = { cluster_id: clusterId, revision: revision.toString(), restoration };
      await writeFile(path, JSON.stringify(kept));
    } catch (error) {
      // A full disk is no reason to leave routes as they were.
      logger.warn({ err: error, path }, 'what store is followed cannot be kept');
    }
    return true;
  }

  /** Whether the store was put back from a snapshot of the known one: then it is the known one from now on. */
  async #followRestoration(): Promise<boolean> {
    const { store, logger } = this.#options;
    const { kv } = await store.get(restorationKey);
    const restoration = kv && parseRestoration(kv.value);
    const known = this.#known;
    if (!known || !restoration?.ok || restoration.value.replaces !== known.clusterId) return false;
    if (restoration.value.id === known.restoration) return false;
    const { clusterId, revision } = await store.identity();
    this.#known = { clusterId, revision, restoration: restoration.value.id };
    this.#problem = undefined;
    logger.warn({ restoration: restoration.value.id }, 'the store was restored from a snapshot and is followed');
    return true;
  }
}

async function readKnown(path: string): Promise<Known | undefined> {
  try {
    const { cluster_id, revision, restoration } = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    return {
      clusterId: String(cluster_id),
      revision: BigInt(String(revision)),
      ...(typeof restoration === 'string' && { restoration }),
    };
  } catch {
    return undefined;
  }
}
