import type { Event, KeyValue } from '../messages.ts';

/** The keys from `from` up to, not including, `to`; without `to`, all from there on. */
export interface Span {
  readonly from: Buffer;
  readonly to: Buffer | undefined;
}

/** A lease as it is kept: `remainingMs` is what was left of it when it was last written down. */
export interface LeaseRecord {
  readonly id: bigint;
  /** Seconds. */
  readonly ttl: bigint;
  readonly remainingMs: number;
}

export interface ScanOptions {
  /** The keys as they were then; default: as they are. */
  readonly revision?: bigint | undefined;
  /** At most so many, in key order. */
  readonly limit?: number | undefined;
  /** Values are not needed and may be left empty. */
  readonly keysOnly?: boolean;
}

/** The store at one moment. Everything answers at once: decisions are made without waiting, so nothing comes between. */
export interface View {
  readonly revision: bigint;
  readonly compactRevision: bigint;
  get(key: Buffer): KeyValue | undefined;
  /** In key order. */
  scan(span: Span, options?: ScanOptions): readonly KeyValue[];
  count(span: Span, revision?: bigint): number;
  lease(id: bigint): LeaseRecord | undefined;
  /** Keys that hang on a lease, in key order. */
  keysOf(lease: bigint): readonly Buffer[];
  /** What is kept beside the key space, by its name. */
  meta(name: string): Buffer | undefined;
}

/** All that a decision may look at: what an engine that has to fetch it fetches before, in one go. */
export interface Needs {
  readonly keys: readonly Buffer[];
  readonly scans: readonly { readonly span: Span; readonly options: ScanOptions; readonly rows: boolean }[];
  readonly leases: readonly bigint[];
  /** Leases whose keys are needed. */
  readonly keysOf: readonly bigint[];
  readonly meta: readonly string[];
}

/** What becomes durable together, or not at all: usually the writes of many clients, each with a revision of its own. */
export interface Batch {
  /** Of the store before it. */
  readonly since: bigint;
  /** Of the store when this is done. */
  readonly revision: bigint;
  readonly compactRevision: bigint;
  /** In the order in which they happened; `prevKv` is always there, unless the key is new. */
  readonly events: readonly Event[];
  readonly leases: ReadonlyMap<bigint, LeaseRecord | undefined>;
  readonly meta: ReadonlyMap<string, Buffer | undefined>;
  /** Rows of a snapshot: they come without their history, so that it is not to be kept. */
  readonly withoutHistory?: boolean;
}

/** What a reader of the history wants of an event. */
export type Wanted = 'nothing' | 'event' | 'event and previous';

export interface HistoryPage {
  /** Whole revisions, in order. */
  readonly events: readonly Event[];
  /** Every wanted event up to this revision is among them. */
  readonly through: bigint;
  /** Below this, history was incomplete when the page was read. */
  readonly compactRevision: bigint;
}

export type MaybePromise<T> = T | Promise<T>;

/** Bytes on disk, and the part of them that is in use. */
export interface StoredBytes {
  readonly total: number;
  readonly inUse: number;
}

/**
 * Where the key space and its history are kept. An engine knows how to find the newest version of a key, the version at
 * a revision, and what changed in a revision; it knows nothing of transactions, watches or the protocol. One caller
 * writes at a time; reads may come at any moment and see whole batches only.
 */
export interface StorageEngine {
  /** Of what has been made durable here; another server on the same data may be ahead. */
  readonly revision: bigint;
  readonly compactRevision: bigint;
  /** Longest key, in bytes, in which a zero byte counts twice. */
  readonly maxKeyBytes: number;
  /** What one batch may write, in bytes; default: what is good for the others. */
  readonly maxBatchBytes?: number;
  read<T>(needs: () => Needs, use: (view: View) => T): MaybePromise<T>;
  /** Lets `decide` see the newest state, and resolves when what it decided is durable. Throws what it throws. */
  write(needs: () => Needs, decide: (view: View) => Batch | undefined): Promise<void>;
  /** The events from a revision on, at most up to `through`; as many whole revisions as make a page. */
  history(from: bigint, through: bigint, wanted: (key: Buffer) => Wanted): MaybePromise<HistoryPage>;
  /** Removes a part of what nobody can read since the last compaction; false when nothing was left. */
  trim(): Promise<boolean>;
  leases(): MaybePromise<readonly LeaseRecord[]>;
  meta(name: string): MaybePromise<Buffer | undefined>;
  listMeta(prefix: string): MaybePromise<readonly { readonly name: string; readonly value: Buffer }[]>;
  size(): StoredBytes;
  defragment(): Promise<void>;
  close(): Promise<void>;
  /** What an engine has whose data other servers use too. */
  readonly shared?: SharedStore;
}

/** Where several servers meet on the same data. Time passes for leases there, not here. */
export interface SharedStore {
  /** Calls `listener` when another server has written up to a revision. */
  onAdvance(listener: (revision: bigint) => void): void;
  /** Calls `listener` when another server may have changed meta; again, later, if it rejects. */
  onMeta(listener: () => Promise<void>): void;
  /** Leases whose time is over; some of them, if there are many. */
  dueLeases(): Promise<readonly bigint[]>;
  /** Gives every lease its whole time again: for a while, nobody could renew. */
  extendLeases(): Promise<void>;
}
