import type { StorageEngine } from './engine.ts';
import { OrderedEngine } from './ordered-engine.ts';
import type { Entry, SortedRangeOptions, SortedStore, Write } from './sorted-store.ts';

const chunkEntries = 256;
// As LMDB's, so that what works in memory works on disk.
const maxKeyBytes = 1978;

interface Cell {
  /** One character per byte, so that strings compare as the bytes do. */
  readonly text: string;
  readonly key: Buffer;
  value: Buffer;
}

/** A storage engine that forgets everything when it is closed. */
export async function openMemoryEngine(): Promise<StorageEngine> {
  return new OrderedEngine(new MemoryStore());
}

/** Sorted cells in chunks of limited length: finding is two binary searches, inserting moves one chunk's tail. */
class MemoryStore implements SortedStore {
  readonly maxKeyBytes = maxKeyBytes;
  readonly #chunks: Cell[][] = [[]];
  #bytes = 0;

  get(key: Buffer): Buffer | undefined {
    const text = key.toString('latin1');
    const chunk = this.#chunks[this.#chunkOf(text)] as Cell[];
    const cell = chunk[lowerBound(chunk, text)];
    return cell && cell.text === text ? cell.value : undefined;
  }

  *range(
    from: Buffer,
    to: Buffer,
    { limit = Number.POSITIVE_INFINITY, reverse = false }: SortedRangeOptions = {},
  ): Iterable<Entry> {
    let left = limit;
    for (const cell of reverse ? this.#backward(from, to) : this.#forward(from, to)) {
      if (left-- <= 0) return;
      yield cell;
    }
  }

  *keys(from: Buffer, to: Buffer): Iterable<Buffer> {
    for (const { key } of this.#forward(from, to)) yield key;
  }

  count(from: Buffer, to: Buffer): number {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunk = this.#chunkOf(start);
    const last = this.#chunkOf(end);
    let count = -lowerBound(this.#chunks[chunk] as Cell[], start);
    for (; chunk < last; chunk += 1) count += (this.#chunks[chunk] as Cell[]).length;
    return Math.max(0, count + lowerBound(this.#chunks[last] as Cell[], end));
  }

  commit(writes: readonly Write[]): void {
    for (const { key, value } of writes) this.#write(key, value);
  }

  refresh(): void {}

  size() {
    return { total: this.#bytes, inUse: this.#bytes };
  }

  async defragment(): Promise<void> {}

  async close(): Promise<void> {}

  #write(key: Buffer, value: Buffer | undefined): void {
    const text = key.toString('latin1');
    const chunkAt = this.#chunkOf(text);
    const chunk = this.#chunks[chunkAt] as Cell[];
    const at = lowerBound(chunk, text);
    const cell = chunk[at]?.text === text ? chunk[at] : undefined;
    this.#bytes += (value ? key.length + value.length : 0) - (cell ? cell.key.length + cell.value.length : 0);
    if (cell && value) cell.value = value;
    else if (cell) {
      chunk.splice(at, 1);
      if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(chunkAt, 1);
    } else if (value) {
      chunk.splice(at, 0, { text, key, value });
      if (chunk.length <= chunkEntries) return;
      // What grows at its end, as the log does, leaves full chunks behind.
      const half = at === chunkEntries ? chunkEntries : chunkEntries / 2;
      this.#chunks.splice(chunkAt + 1, 0, chunk.splice(half));
    }
  }

  *#forward(from: Buffer, to: Buffer): Iterable<Cell> {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunkAt = this.#chunkOf(start);
    let at = lowerBound(this.#chunks[chunkAt] as Cell[], start);
    for (; chunkAt < this.#chunks.length; chunkAt += 1, at = 0) {
      const chunk = this.#chunks[chunkAt] as Cell[];
      for (; at < chunk.length; at += 1) {
        const cell = chunk[at] as Cell;
        if (cell.text >= end) return;
        yield cell;
      }
    }
  }

  *#backward(from: Buffer, to: Buffer): Iterable<Cell> {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunkAt = this.#chunkOf(end);
    let at = lowerBound(this.#chunks[chunkAt] as Cell[], end) - 1;
    while (chunkAt >= 0) {
      const chunk = this.#chunks[chunkAt] as Cell[];
      for (; at >= 0; at -= 1) {
        const cell = chunk[at] as Cell;
        if (cell.text < start) return;
        yield cell;
      }
      chunkAt -= 1;
      at = (this.#chunks[chunkAt]?.length ?? 0) - 1;
    }
  }

  /** The last chunk that does not begin after `text`. */
  #chunkOf(text: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const [first] = this.#chunks[middle] as Cell[];
      if (first && first.text <= text) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The first place whose text is not below `text`. */
function lowerBound(chunk: readonly Cell[], text: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunk[middle] as Cell).text < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
