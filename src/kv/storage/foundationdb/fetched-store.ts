import type { StoredBytes } from '../engine.ts';
import type { Entry, SortedRangeOptions, SortedStore, Write } from '../sorted-store.ts';
import type { FdbTransaction } from './client.ts';
import { getRow, getRows } from './layout.ts';

interface WantedRange extends SortedRangeOptions {
  readonly from: Buffer;
  readonly to: Buffer;
}

/**
 * Sorted bytes that are somewhere else. It answers from what was fetched; what was not, it takes for absent, and notes.
 * So what is decided on it counts only when nothing was missing; else that is fetched, and it is decided again.
 */
export class FetchedStore implements SortedStore {
  readonly maxKeyBytes: number;
  readonly #nowMs: number;
  readonly #rows = new Map<string, Buffer | undefined>();
  readonly #ranges = new Map<string, readonly Entry[]>();
  readonly #missingRows = new Map<string, Buffer>();
  readonly #missingRanges = new Map<string, WantedRange>();
  /** What was committed while nothing was missing. */
  writes: readonly Write[] = [];

  constructor(maxKeyBytes: number, nowMs: number) {
    this.maxKeyBytes = maxKeyBytes;
    this.#nowMs = nowMs;
  }

  get isComplete(): boolean {
    return this.#missingRows.size === 0 && this.#missingRanges.size === 0;
  }

  get(key: Buffer): Buffer | undefined {
    const name = key.toString('latin1');
    if (!this.#rows.has(name)) this.#missingRows.set(name, key);
    return this.#rows.get(name);
  }

  range(from: Buffer, to: Buffer, options: SortedRangeOptions = {}): readonly Entry[] {
    const { limit, reverse = false } = options;
    const name = `${limit} ${reverse} ${from.length} ${from.toString('latin1')} ${to.toString('latin1')}`;
    const found = this.#ranges.get(name);
    if (!found) this.#missingRanges.set(name, { from, to, ...options });
    return found ?? [];
  }

  keys(from: Buffer, to: Buffer): Iterable<Buffer> {
    return this.range(from, to).map(({ key }) => key);
  }

  count(from: Buffer, to: Buffer): number {
    return this.range(from, to).length;
  }

  /** Fetches what was missing, all of it at once. */
  async fetch(transaction: FdbTransaction): Promise<void> {
    const rows = [...this.#missingRows].map(async ([name, key]) => {
      this.#rows.set(name, await getRow(transaction, key, this.#nowMs));
    });
    const ranges = [...this.#missingRanges].map(async ([name, range]) => {
      this.#ranges.set(name, await getRows(transaction, range, this.#nowMs));
    });
    this.#missingRows.clear();
    this.#missingRanges.clear();
    await Promise.all([...rows, ...ranges]);
  }

  commit(writes: readonly Write[]): void {
    if (this.isComplete) this.writes = writes;
  }

  refresh(): void {}

  size(): StoredBytes {
    return { total: 0, inUse: 0 };
  }

  async settle(): Promise<void> {}

  async defragment(): Promise<void> {}

  async close(): Promise<void> {}
}
