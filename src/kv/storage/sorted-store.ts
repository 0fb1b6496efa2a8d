import type { MaybePromise, StoredBytes } from './engine.ts';

export interface Write {
  readonly key: Buffer;
  /** undefined removes. */
  readonly value: Buffer | undefined;
}

export interface Entry {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface SortedRangeOptions {
  readonly limit?: number;
  /** From the end of the range to its beginning. */
  readonly reverse?: boolean;
}

/** Bytes in order on this machine: what `OrderedEngine` needs of memory, LMDB, or anything else that is near enough. */
export interface SortedStore {
  /** Longest key that it takes. */
  readonly maxKeyBytes: number;
  get(key: Buffer): Buffer | undefined;
  /** `from` is part of it, `to` is not. The store is not written to while it is read. */
  range(from: Buffer, to: Buffer, options?: SortedRangeOptions): Iterable<Entry>;
  keys(from: Buffer, to: Buffer): Iterable<Buffer>;
  count(from: Buffer, to: Buffer): number;
  /** All of it or nothing; durable when it is done. Readers see it after `refresh`. */
  commit(writes: readonly Write[]): MaybePromise<void>;
  /** From now on reads see what was committed. */
  refresh(): void;
  size(): StoredBytes;
  /** When it is done, what was removed takes no more room. */
  settle(): Promise<void>;
  defragment(): Promise<void>;
  close(): Promise<void>;
}
