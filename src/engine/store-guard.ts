import { readFile, rename, writeFile } from 'node:fs/promises';
import { parseRestoration, type Restoration, restorationKey } from '../schema/restoration.ts';
import type { Store } from '../store/store.ts';
import type { Logger } from './logger.ts';

export interface StoreGuardOptions {
  readonly store: Pick<Store, 'identity' | 'get'>;
  /** Where it is remembered which store is followed; without one, only for as long as the process lives. */
  readonly file: string | undefined;
  /** What becomes of what this daemon looks after while the store is not followed, for people. */
  readonly meanwhile: string;
  readonly logger: Logger;
}

interface Memory {
  readonly clusterId: string;
  /** The highest revision seen, decimal. */
  readonly revision: string;
  /** The restoration of the store from a snapshot that was believed last. */
  readonly restoration?: string;
  /** What was found wrong; stays until a person removes the file, because a store that went back grows again. */
  readonly problem?: string;
}

/**
 * Remembers across restarts which store orders come from and how far it was. To a daemon that is shown another store, or
 * its own as it was last week, everything it looks after seems to be deleted: nodes would be stopped and sessions cut.
 * Then it must not act at all. The way out is a restoration: a store that says that it was put back from a snapshot of
 * the known one is followed.
 */
export class StoreGuard {
  readonly #options: StoreGuardOptions;
  #memory: Memory | undefined;
  #isLoaded = false;

  constructor(options: StoreGuardOptions) {
    this.#options = options;
  }

  /** Why the store is not followed, as a sentence; undefined while it is the known one. */
  get problem(): string | undefined {
    return this.#memory?.problem;
  }

  /** Asks the store who it is; resolves with whether it is to be followed, and rejects when it does not answer. */
  async check(signal?: AbortSignal): Promise<boolean> {
    if (!this.#isLoaded) await this.#load();
    if (!this.problem) await this.#compare(signal);
    if (this.problem) await this.#followRestoration(signal);
    return this.problem === undefined;
  }

  /**
   * Whether what runs without an order is to be left alone: the store was put back from a snapshot, which may be older
   * than what runs, and nobody said yet that this is over.
   */
  async sparesUnknown(signal: AbortSignal): Promise<boolean> {
    return (await this.#restoration(signal))?.finished === false;
  }

  async #followRestoration(signal: AbortSignal | undefined): Promise<void> {
    const { store, logger } = this.#options;
    const known = this.#memory;
    const restoration = await this.#restoration(signal);
    if (!known || restoration?.replaces !== known.clusterId || restoration.id === known.restoration) return;
    const { clusterId, revision } = await store.identity({ ...(signal && { signal }) });
    this.#memory = { clusterId, revision: revision.toString(), restoration: restoration.id };
    logger.warn({ clusterId, restoration: restoration.id }, 'store was restored from a snapshot and is followed');
    await this.#save();
  }

  async #restoration(signal: AbortSignal | undefined): Promise<Restoration | undefined> {
    const { kv } = await this.#options.store.get(restorationKey, { ...(signal && { signal }) });
    const restoration = kv && parseRestoration(kv.value);
    return restoration?.ok ? restoration.value : undefined;
  }

  async #compare(signal: AbortSignal | undefined): Promise<void> {
    const { store, file, meanwhile, logger } = this.#options;
    const { clusterId, revision } = await store.identity({ ...(signal && { signal }) });
    const known = this.#memory;
    const difference = known && differenceTo(known, clusterId, revision);
    const isNews = !known || difference !== undefined || revision > BigInt(known.revision);
    if (!isNews) return;
    const wayOut = file ? `; if it is right, stop this daemon, remove ${file} and start it again` : '';
    this.#memory = difference
      ? { ...known, problem: `${difference}: ${meanwhile}${wayOut}` }
      : { ...known, clusterId, revision: revision.toString() };
    if (difference) logger.error({ clusterId, revision: `${revision}` }, 'store is not the one known here');
    await this.#save();
  }

  async #load(): Promise<void> {
    const { file, logger } = this.#options;
    try {
      if (file) this.#memory = JSON.parse(await readFile(file, 'utf8')) as Memory;
    } catch (error) {
      // A first start, or a file that was cut off: then there is nothing to hold against the store.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ err: error }, 'store memory unreadable');
    }
    this.#isLoaded = true;
  }

  async #save(): Promise<void> {
    const { file, logger } = this.#options;
    if (!file) return;
    try {
      await writeFile(`${file}.new`, JSON.stringify(this.#memory), { mode: 0o600 });
      await rename(`${file}.new`, file);
    } catch (error) {
      // The disk may be full; what is remembered in this process still holds.
      logger.debug({ err: error }, 'store memory cannot be written');
    }
  }
}

function differenceTo(known: Memory, clusterId: string, revision: bigint): string | undefined {
  if (clusterId !== known.clusterId) return `the store is another one (cluster ${clusterId}, not ${known.clusterId})`;
  if (revision < BigInt(known.revision)) {
    return `the store went back to revision ${revision}, ${known.revision} was seen before`;
  }
  return undefined;
}
