import type { StorageEngine } from './engine.ts';
import { OrderedEngine } from './ordered-engine.ts';
import { type Cell, SortedCells, textOf } from './sorted-cells.ts';
import type { Entry, SortedRangeOptions, SortedStore, Write } from './sorted-store.ts';

// As LMDB's, so that what works in memory works on disk.
const maxKeyBytes = 1978;

/** A storage engine that forgets everything when it is closed. */
export async function openMemoryEngine(): Promise<StorageEngine> {
  return new OrderedEngine(new MemoryStore());
}

interface MemoryCell extends Cell, Entry {}

/** Sorted bytes in memory. */
export class MemoryStore implements SortedStore {
  readonly maxKeyBytes = maxKeyBytes;
  readonly #cells = new SortedCells<MemoryCell>();
  #bytes = 0;

  get(key: Buffer): Buffer | undefined {
    return this.#cells.get(key)?.value;
  }

  *range(
    from: Buffer,
    to: Buffer,
    { limit = Number.POSITIVE_INFINITY, reverse = false }: SortedRangeOptions = {},
  ): Iterable<Entry> {
    let left = limit;
    for (const cell of reverse ? this.#cells.backward(from, to) : this.#cells.forward(from, to)) {
      if (left-- <= 0) return;
      yield cell;
    }
  }

  *keys(from: Buffer, to: Buffer): Iterable<Buffer> {
    for (const { key } of this.#cells.forward(from, to)) yield key;
  }

  count(from: Buffer, to: Buffer): number {
    return this.#cells.count(from, to);
  }

  commit(writes: readonly Write[]): void {
    for (const { key, value } of writes) {
      const before = value ? this.#cells.set({ text: textOf(key), key, value }) : this.#cells.delete(key);
      this.#bytes += (value ? key.length + value.length : 0) - (before ? key.length + before.value.length : 0);
    }
  }

  refresh(): void {}

  size() {
    return { total: this.#bytes, inUse: this.#bytes };
  }

  async settle(): Promise<void> {}

  async defragment(): Promise<void> {}

  async close(): Promise<void> {}
}
