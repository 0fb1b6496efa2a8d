/** What is used of the npm package `foundationdb`: it is not one of our dependencies, so its own types are not there. */
export interface FoundationDb {
  /** Runs the body again when it conflicts with others, or when it is not known whether it went through. */
  doTransaction<T>(body: (transaction: FdbTransaction) => Promise<T>): Promise<T>;
  close(): void;
}

/** A transaction: all reads are of one version. */
export interface FdbTransaction {
  /** The same, whose reads do not conflict with the writes of others. */
  snapshot(): FdbTransaction;
  get(key: Buffer): Promise<Buffer | undefined>;
  /** `start` is part of it, `end` is not. */
  getRangeAll(
    start: Buffer,
    end: Buffer,
    options?: { readonly limit?: number; readonly reverse?: boolean },
  ): Promise<[Buffer, Buffer][]>;
  set(key: Buffer, value: Buffer): void;
  clear(key: Buffer): void;
  clearRange(start: Buffer, end: Buffer): void;
  /** From the commit on, until the value changes. */
  watch(key: Buffer): { readonly promise: Promise<boolean>; cancel(): void };
  getEstimatedRangeSizeBytes(start: Buffer, end: Buffer): Promise<number>;
}

interface Package {
  setAPIVersion(version: number): void;
  open(clusterFile?: string): FoundationDb;
}

const packageName = 'foundationdb';
/** Of FoundationDB 6.2: the first with everything that is used here. */
const apiVersion = 620;

/** Loads the package and opens a database, or says what is missing. */
export async function openFoundationDb(clusterFile: string | undefined): Promise<FoundationDb> {
  const { default: client } = (await import(packageName).catch(explain)) as { readonly default: Package };
  client.setAPIVersion(apiVersion);
  return client.open(clusterFile);
}

function explain(cause: unknown): never {
  const { code } = cause as { readonly code?: string };
  const what =
    code === 'ERR_MODULE_NOT_FOUND'
      ? 'the npm package foundationdb, which is not installed: npm install foundationdb@2'
      : 'the client library of FoundationDB, which cannot be loaded: install foundationdb-clients';
  throw new Error(`the engine foundationdb needs ${what}`, { cause });
}
