import { randomBytes } from 'node:crypto';
import { Backoff } from '../../time/backoff.ts';
import type { Clock } from '../../time/clock.ts';
import type { Batch, HistoryPage, LeaseRecord, Needs, StorageEngine, StoredBytes, View, Wanted } from './engine.ts';
import type { EngineOptions } from './engines.ts';
import { type FdbTransaction, type FoundationDb, openFoundationDb } from './foundationdb/client.ts';
import { FetchedStore } from './foundationdb/fetched-store.ts';
import { controlKey, everything, getRow, setRow } from './foundationdb/layout.ts';
import { OrderedEngine } from './ordered-engine.ts';
import { decodeState, keyOverheadBytes, stateKey } from './rows.ts';
import { SharedProgress } from './shared-progress.ts';

const maxKeyBytes = 1967;
/** A transaction takes 10 MB. */
const maxBatchBytes = 3 << 20;
const pollMs = 1000;
const dueLeases = 500;
const longestExtensionMs = 86_400_000;

/** Changes with every commit: what servers watch. */
const newsKey = controlKey('news');
/** Changes with every commit that changes meta. */
const metaKey = controlKey('meta');

/** A storage engine in FoundationDB, which other servers may use at the same time. Never tried on a real cluster. */
export async function openFoundationDbEngine({ clusterFile, clock }: EngineOptions): Promise<StorageEngine> {
  return openOnFoundationDb(await openFoundationDb(clusterFile), clock);
}

/** The engine on a database that is open. */
export async function openOnFoundationDb(database: FoundationDb, clock: Clock): Promise<StorageEngine> {
  const engine = new FoundationDbEngine(database, clock);
  await engine.open();
  return engine;
}

/**
 * The rows are those of `OrderedEngine`, which does the work: on what was fetched of them in one transaction. Every
 * write reads the row with the revision, so that any two conflict, and one of them is decided again after the other.
 */
class FoundationDbEngine implements StorageEngine {
  readonly maxKeyBytes = maxKeyBytes;
  readonly maxBatchBytes = maxBatchBytes;
  readonly shared = {
    onAdvance: (listener: (revision: bigint) => void) => this.#progress.onAdvance(listener),
    onMeta: (listener: () => Promise<void>) => {
      this.#onMeta = listener;
    },
    dueLeases: async () => {
      const due = (await this.leases()).filter(({ remainingMs }) => remainingMs <= 0);
      return due.slice(0, dueLeases).map(({ id }) => id);
    },
    extendLeases: () => this.#extendLeases(),
  };
  readonly #database: FoundationDb;
  readonly #clock: Clock;
  readonly #progress = new SharedProgress();
  readonly #closing = new AbortController();
  /** Holds the stamp of the last write of this server: whether one went through is seen there. */
  readonly #ownKey: Buffer;
  readonly #stamp = randomBytes(24);
  #following: Promise<void> = Promise.resolve();
  #onMeta: () => Promise<void> = async () => {};
  #seenMeta: Buffer | undefined;
  #size = 0;

  constructor(database: FoundationDb, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#ownKey = controlKey(`server/${this.#stamp.toString('hex')}`);
  }

  async open(): Promise<void> {
    await this.#look();
    this.#following = this.#follow();
  }

  get revision(): bigint {
    return this.#progress.revision;
  }

  get compactRevision(): bigint {
    return this.#progress.compactRevision;
  }

  async read<T>(needs: () => Needs, use: (view: View) => T): Promise<T> {
    const { result, revision, compactRevision } = await this.#ask((engine) => ({
      result: engine.read(needs, use),
      revision: engine.revision,
      compactRevision: engine.compactRevision,
    }));
    this.#progress.observe(revision, compactRevision);
    return result;
  }

  async write(needs: () => Needs, decide: (view: View) => Batch | undefined): Promise<void> {
    await this.#progress.during(async () => {
      const decided: { batch?: Batch | undefined } = {};
      await this.#change(async (engine) => {
        await engine.write(needs, (view) => {
          decided.batch = decide(view);
          return decided.batch;
        });
        return (decided.batch?.meta.size ?? 0) > 0;
      });
      return decided.batch;
    });
  }

  history(from: bigint, through: bigint, wanted: (key: Buffer) => Wanted): Promise<HistoryPage> {
    return this.#ask((engine) => engine.history(from, through, wanted));
  }

  async trim(): Promise<boolean> {
    let hasTrimmed = false;
    await this.#change(async (engine) => {
      hasTrimmed = await engine.trim();
      return false;
    });
    return hasTrimmed;
  }

  leases(): Promise<LeaseRecord[]> {
    return this.#ask((engine) => engine.leases());
  }

  meta(name: string): Promise<Buffer | undefined> {
    return this.#ask((engine) => engine.meta(name));
  }

  listMeta(prefix: string): Promise<{ readonly name: string; readonly value: Buffer }[]> {
    return this.#ask((engine) => engine.listMeta(prefix));
  }

  size(): StoredBytes {
    return { total: this.#size, inUse: this.#size };
  }

  async defragment(): Promise<void> {}

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#following;
    await this.#database.doTransaction(async (transaction) => transaction.clear(this.#ownKey)).catch(() => {});
    this.#database.close();
  }

  async #extendLeases(): Promise<void> {
    const leases = await this.leases();
    await this.write(
      () => ({ keys: [], scans: [], leases: leases.map(({ id }) => id), keysOf: [], meta: [] }),
      (view) => {
        const kept = leases.flatMap(({ id }) => view.lease(id) ?? []);
        const extended = kept.map((lease) => {
          const wholeMs = Math.min(Number(lease.ttl) * 1000, longestExtensionMs);
          return [lease.id, { ...lease, remainingMs: Math.max(lease.remainingMs, wholeMs) }] as const;
        });
        const { revision, compactRevision } = view;
        const nothing = { events: [], meta: new Map() };
        return { ...nothing, since: revision, revision, compactRevision, leases: new Map(extended) };
      },
    );
  }

  #ask<T>(question: (engine: OrderedEngine) => T): Promise<T> {
    return this.#database.doTransaction(async (transaction) => {
      const { answer } = await this.#over(transaction, question);
      return answer;
    });
  }

  /** Makes what the engine wants to write durable. `change` returns whether meta is part of it. */
  async #change(change: (engine: OrderedEngine) => Promise<boolean>): Promise<void> {
    this.#stamp.writeUInt32BE((this.#stamp.readUInt32BE(0) + 1) >>> 0, 0);
    const stamp = Buffer.from(this.#stamp);
    let isAgain = false;
    await this.#database.doTransaction(async (transaction) => {
      // A commit whose answer was lost may have gone through.
      if (isAgain && (await transaction.get(this.#ownKey))?.equals(stamp)) return;
      isAgain = true;
      const { answer: hasMeta, writes, nowMs } = await this.#over(transaction, change);
      if (writes.length === 0) return;
      // Not of the snapshot: whoever writes after we have read makes us decide again.
      await getRow(transaction, stateKey, nowMs);
      for (const { key, value } of writes) setRow(transaction, key, value, nowMs);
      for (const key of [this.#ownKey, newsKey, ...(hasMeta ? [metaKey] : [])]) transaction.set(key, stamp);
    });
  }

  async #over<T>(transaction: FdbTransaction, ask: (engine: OrderedEngine) => T | Promise<T>) {
    const nowMs = this.#clock.now();
    const store = new FetchedStore(maxKeyBytes + keyOverheadBytes, nowMs);
    for (;;) {
      const asked = await Promise.resolve()
        .then(async () => ({ answer: await ask(new OrderedEngine(store)) }))
        .catch((error: unknown) => ({ error }));
      if (!store.isComplete) await store.fetch(transaction.snapshot());
      else if ('error' in asked) throw asked.error;
      else return { answer: asked.answer, writes: store.writes, nowMs };
    }
  }

  /** Hears of what other servers write: at once through a watch, within a second by looking. */
  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    const backoff = new Backoff({ baseMs: 100, capMs: pollMs });
    while (!signal.aborted) {
      try {
        const watch = await this.#look();
        backoff.reset();
        const wait = new AbortController();
        const stop = () => wait.abort();
        signal.addEventListener('abort', stop, { once: true });
        await Promise.race([watch.promise, this.#clock.sleep(pollMs, wait.signal)]).catch(() => {});
        signal.removeEventListener('abort', stop);
        wait.abort();
        watch.cancel();
      } catch {
        // The database is away.
        await this.#clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
  }

  /** Reads how far the store is; what it returns is told of the next change. */
  async #look() {
    const { state, meta, size, watch } = await this.#database.doTransaction(async (transaction) => {
      const snapshot = transaction.snapshot();
      const [state, meta, size] = await Promise.all([
        getRow(snapshot, stateKey, 0),
        snapshot.get(metaKey),
        snapshot.getEstimatedRangeSizeBytes(everything.start, everything.end),
      ]);
      return { state, meta, size, watch: transaction.watch(newsKey) };
    });
    watch.promise.catch(() => {});
    const { revision, compactRevision } = decodeState(state);
    this.#size = size;
    this.#progress.observe(revision, compactRevision);
    if (meta && !this.#seenMeta?.equals(meta)) {
      await this.#onMeta();
      this.#seenMeta = meta;
    }
    return watch;
  }
}
