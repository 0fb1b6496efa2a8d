import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { open, type RangeOptions, type RootDatabase, type Transaction } from 'lmdb';
import { KvError } from '../kv-error.ts';
import { DamagedStoreError } from './damaged-store-error.ts';
import { lockDirectory } from './directory-lock.ts';
import type { StorageEngine, StoredBytes } from './engine.ts';
import type { EngineOptions } from './engines.ts';
import { FileReserve } from './file-reserve.ts';
import { JournaledStore } from './journaled-store.ts';
import { OrderedEngine } from './ordered-engine.ts';
import { fileKey } from './rows.ts';
import { Slab } from './slab.ts';
import type { Entry, SortedRangeOptions, SortedStore, Write } from './sorted-store.ts';
import { syncDirectory } from './sync-directory.ts';

// What its map of the file may grow to: address space, not memory. etcd advises against more than 8 GiB of data.
const mapBytes = 64 * 1024 ** 3;
const maxKeyBytes = 1978;
const copyRows = 2000;

type Database = RootDatabase<Buffer, Buffer>;

/** What the package says of a file, among other things. */
interface Stats {
  readonly pageSize: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
  readonly lastPageNumber: number;
}

/** A storage engine in a directory of this machine. */
export async function openLmdbEngine({ directory, clock }: EngineOptions): Promise<StorageEngine> {
  if (directory === undefined) throw new Error('the lmdb engine needs a data directory');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const unlock = lockDirectory(directory);
  let store: LmdbStore | undefined;
  try {
    store = new LmdbStore(join(directory, 'kv.lmdb'), unlock);
    return new OrderedEngine(new JournaledStore(store, directory, clock));
  } catch (error) {
    if (store) await store.close();
    else unlock();
    throw error;
  }
}

/**
 * LMDB through its package's writing thread: a batch is handed over, and while the thread writes and syncs it, reads go
 * on from the snapshot before it. It is done when data and the page that points to it are on disk, in that order; so
 * whatever moment power fails, the file is the store before or after a batch.
 */
class LmdbStore implements SortedStore {
  readonly maxKeyBytes = maxKeyBytes;
  readonly #path: string;
  readonly #unlock: () => void;
  #db: Database;
  #reserve: FileReserve;
  #snapshot: Transaction;
  #size: StoredBytes;
  #failure: Error | undefined;
  #isClosed = false;
  #defragmentations = 0;

  constructor(path: string, unlock: () => void) {
    this.#path = path;
    this.#unlock = unlock;
    // Of a defragmentation that did not come to its end.
    for (const name of readdirSync(dirname(path))) {
      if (/\.new(-lock)?$/.test(name)) rmSync(join(dirname(path), name));
    }
    this.#db = openDatabase(path);
    this.#reserve = new FileReserve(path);
    this.#size = sizeOf(this.#db);
    // In this order: a page that is not there must not be touched.
    this.#requireBytes(this.#size.total);
    this.#requireBytes(this.#db.get(fileKey)?.readDoubleBE() ?? 0);
    this.#snapshot = this.#db.useReadTransaction();
  }

  get(key: Buffer): Buffer | undefined {
    return this.#db.get(key, this.#options({}));
  }

  range(from: Buffer, to: Buffer, { limit, reverse = false }: SortedRangeOptions = {}): Iterable<Entry> {
    const bounds = reverse
      ? { start: to, end: from, reverse, exclusiveStart: true, inclusiveEnd: true }
      : { start: from, end: to };
    return this.#db.getRange(this.#options(limit === undefined ? bounds : { ...bounds, limit }));
  }

  keys(from: Buffer, to: Buffer): Iterable<Buffer> {
    return this.#db.getKeys(this.#options({ start: from, end: to }));
  }

  count(from: Buffer, to: Buffer): number {
    return this.#db.getKeysCount(this.#options({ start: from, end: to }));
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    await this.#reserve.ensure(this.#size.total + bytesNeeded(writes, this.#size));
    try {
      await writeAll(this.#db, this.#reserve, writes);
    } catch (error) {
      // The package does not survive a failed write reliably: what would come after it is not to be trusted.
      this.#failure = new Error(`${this.#path} can no longer be written to: ${String(error)}`, { cause: error });
      throw this.#failure;
    }
  }

  refresh(): void {
    const before = this.#snapshot;
    this.#db.resetReadTxn();
    this.#snapshot = this.#db.useReadTransaction();
    before.done();
    this.#size = sizeOf(this.#db);
  }

  size(): StoredBytes {
    return this.#size;
  }

  async settle(): Promise<void> {}

  /** Copies what is in use into a new file and puts that in the place of the old one. */
  async defragment(): Promise<void> {
    // The package knows open files by the name they were opened with, and this one stays open: no name comes twice.
    const path = `${this.#path}.${this.#defragmentations++}.new`;
    const fresh = openDatabase(path);
    const reserve = new FileReserve(path);
    try {
      let writes: Write[] = [];
      const flush = async () => {
        const size = sizeOf(fresh);
        await reserve.ensure(size.total + bytesNeeded(writes, size));
        await writeAll(fresh, reserve, writes);
        writes = [];
      };
      for (const { key, value } of this.#db.getRange(this.#options({}))) {
        if (writes.push({ key, value }) >= copyRows) await flush();
      }
      await flush();
      await rename(path, this.#path);
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      reserve.close();
      await fresh.close();
      throw error;
    }
    const before = { db: this.#db, reserve: this.#reserve, snapshot: this.#snapshot };
    this.#db = fresh;
    this.#reserve = reserve;
    this.#snapshot = fresh.useReadTransaction();
    this.#size = sizeOf(fresh);
    before.snapshot.done();
    before.reserve.close();
    await before.db.close();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#snapshot.done();
    this.#reserve.close();
    await this.#db.close();
    this.#unlock();
  }

  #requireBytes(expected: number): void {
    if (this.#reserve.bytes >= expected) return;
    throw new DamagedStoreError(this.#path, `it has ${this.#reserve.bytes} bytes of ${expected}`);
  }

  #options(bounds: RangeOptions): RangeOptions {
    // Its memory is no longer mapped.
    if (this.#isClosed) throw new KvError('Unavailable', 'etcdserver: server stopped');
    return { ...bounds, transaction: this.#snapshot };
  }
}

function openDatabase(path: string): Database {
  // The package's own copies of rows each come with an allocation, which takes longer than all else in reading a range.
  const slab = new Slab();
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    encoder: { encode: (value: Buffer) => value, decode: (shared: Buffer) => slab.copy(shared, 0, shared.length) },
    keyEncoder: {
      writeKey(key: Buffer, target: Buffer, at: number) {
        target.set(key, at);
        return at + key.length;
      },
      readKey: (shared: Buffer, start: number, end: number) => slab.copy(shared, start, end),
    },
    mapSize: mapBytes,
    // With it, commits are answered before they are on disk.
    overlappingSync: false,
  });
}

/** One transaction of the file with one sync. It also says how long the file is, so that one cut off is recognised. */
async function writeAll(db: Database, reserve: FileReserve, writes: readonly Write[]): Promise<void> {
  const failures: Promise<unknown>[] = [];
  const length = Buffer.alloc(8);
  length.writeDoubleBE(reserve.bytes);
  try {
    await db.batch(() => {
      for (const { key, value } of [...writes, { key: fileKey, value: length }]) {
        const done = value ? db.put(key, value) : db.remove(key);
        // All but the first are one and the same promise.
        if (failures.at(-1) !== done) failures.push(done);
      }
    });
    await Promise.all(failures);
  } catch (error) {
    for (const failure of failures) failure.catch(() => {});
    // Its own error only points to another, which comes later.
    const cause = (error as { readonly commitError?: Promise<never> }).commitError;
    throw cause !== undefined ? await cause.catch((reason: unknown) => reason) : error;
  }
}

/**
 * How far a file may grow at most by these writes: each may copy and split a leaf and the branch above it, but all of
 * them together copy no page twice; and what they bring may leave pages half empty.
 */
function bytesNeeded(writes: readonly Write[], { inUse }: StoredBytes): number {
  let brought = 0;
  for (const { key, value } of writes) brought += key.length + (value ? value.length + 64 : 0);
  return (1 << 20) + Math.min(writes.length * 3 * 4096, inUse) + 2 * brought;
}

function sizeOf(db: Database): StoredBytes {
  const stats = db.getStats() as Stats;
  const pages = stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
  return { total: (stats.lastPageNumber + 1) * stats.pageSize, inUse: pages * stats.pageSize };
}
