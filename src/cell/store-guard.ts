import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Logger } from '../engine/logger.ts';
import { parseRestoration, type Restoration, restorationKey } from '../schema/restoration.ts';
import type { Store } from '../store/store.ts';

/** The store is not the one that this agent knows. */
export class StrangeStoreError extends Error {
  readonly code = 'strange-store';
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
 * Remembers across restarts which store orders come from and how far it was. To an agent that is shown another store, or
 * its own as it was last week, everything it runs looks like an orphan: then it must not act at all. The way out is a
 * restoration: a store that says that it was put back from a snapshot of the known one is followed.
 */
export class StoreGuard {
  readonly #store: Store;
  readonly #file: string | undefined;
  readonly #logger: Logger;
  #memory: Memory | undefined;
  #isLoaded = false;

  /** Without a file it remembers only as long as it lives. */
  constructor(store: Store, file: string | undefined, logger: Logger) {
    this.#store = store;
    this.#file = file;
    this.#logger = logger;
  }

  /** Why the agent does nothing, as a sentence; undefined while the store is the one it knows. */
  get problem(): string | undefined {
    return this.#memory?.problem;
  }

  /** Asks the store who it is; rejects with `StrangeStoreError` when it must not be obeyed. */
  async check(signal: AbortSignal): Promise<void> {
    if (!this.#isLoaded) await this.#load();
    if (!this.problem) await this.#compare(signal);
    if (this.problem) await this.#followRestoration(signal);
    if (this.problem) throw new StrangeStoreError(this.problem);
  }

  /**
   * Whether what runs without an order is to be left alone: the store was put back from a snapshot, which may be older
   * than what runs, and nobody said yet that this is over.
   */
  async sparesUnknown(signal: AbortSignal): Promise<boolean> {
    return (await this.#restoration(signal))?.finished === false;
  }

  async #followRestoration(signal: AbortSignal): Promise<void> {
    const known = this.#memory;
    const restoration = await this.#restoration(signal);
    if (!known || restoration?.replaces !== known.clusterId || restoration.id === known.restoration) return;
    const { clusterId, revision } = await this.#store.identity({ signal });
    this.#memory = { clusterId, revision: revision.toString(), restoration: restoration.id };
    this.#logger.warn({ clusterId, restoration: restoration.id }, 'store was restored from a snapshot and is followed');
    await this.#save();
  }

  async #restoration(signal: AbortSignal): Promise<Restoration | undefined> {
    const { kv } = await this.#store.get(restorationKey, { signal });
    const restoration = kv && parseRestoration(kv.value);
    return restoration?.ok ? restoration.value : undefined;
  }

  async #compare(signal: AbortSignal): Promise<void> {
    const { clusterId, revision } = await this.#store.identity({ signal });
    const known = this.#memory;
    const difference = known && differenceTo(known, clusterId, revision);
    const isNews = !known || difference !== undefined || revision > BigInt(known.revision);
    if (!isNews) return;
    const wayOut = this.#file ? `; if it is right, stop this agent, remove ${this.#file} and start it again` : '';
    this.#memory = difference
      ? { ...known, problem: `${difference}: nothing is changed here${wayOut}` }
      : { ...known, clusterId, revision: revision.toString() };
    if (difference) this.#logger.error({ clusterId, revision: `${revision}` }, 'store is not the one known here');
    await this.#save();
  }

  async #load(): Promise<void> {
    try {
      if (this.#file) this.#memory = JSON.parse(await readFile(this.#file, 'utf8')) as Memory;
    } catch (error) {
      // A first start, or a file that was cut off: then there is nothing to hold against the store.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#logger.warn({ err: error }, 'store memory unreadable');
    }
    this.#isLoaded = true;
  }

  async #save(): Promise<void> {
    if (!this.#file) return;
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(this.#memory), { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      // The disk may be full; what is remembered in this process still holds.
      this.#logger.debug({ err: error }, 'store memory cannot be written');
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
