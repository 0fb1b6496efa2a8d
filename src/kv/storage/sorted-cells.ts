const chunkCells = 256;

/** What is kept for a key. */
export interface Cell {
  /** The key with one character per byte, so that strings compare as the bytes do. */
  readonly text: string;
}

/** Sorted cells in chunks of limited length: finding is two binary searches, inserting moves one chunk's tail. */
export class SortedCells<C extends Cell> {
  #chunks: C[][] = [[]];

  get(key: Buffer): C | undefined {
    const text = textOf(key);
    const chunk = this.#chunks[this.#chunkOf(text)] as C[];
    const cell = chunk[lowerBound(chunk, text)];
    return cell?.text === text ? cell : undefined;
  }

  /** Returns the one whose place it takes. */
  set(cell: C): C | undefined {
    const { text } = cell;
    const chunkAt = this.#chunkOf(text);
    const chunk = this.#chunks[chunkAt] as C[];
    const at = lowerBound(chunk, text);
    const before = chunk[at];
    if (before?.text === text) {
      chunk[at] = cell;
      return before;
    }
    chunk.splice(at, 0, cell);
    if (chunk.length > chunkCells) {
      // What grows at its end, as the log does, leaves full chunks behind.
      const half = at === chunkCells ? chunkCells : chunkCells / 2;
      this.#chunks.splice(chunkAt + 1, 0, chunk.splice(half));
    }
    return undefined;
  }

  /** Returns what was there. */
  delete(key: Buffer): C | undefined {
    const text = textOf(key);
    const chunkAt = this.#chunkOf(text);
    const chunk = this.#chunks[chunkAt] as C[];
    const at = lowerBound(chunk, text);
    if (chunk[at]?.text !== text) return undefined;
    const [cell] = chunk.splice(at, 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(chunkAt, 1);
    return cell;
  }

  /** Keeps only what is wanted. */
  retain(isWanted: (cell: C) => boolean): void {
    const kept = this.#chunks.map((chunk) => chunk.filter(isWanted));
    this.#chunks = kept.filter((chunk) => chunk.length > 0);
    if (this.#chunks.length === 0) this.#chunks = [[]];
  }

  count(from: Buffer, to: Buffer): number {
    const [start, end] = [textOf(from), textOf(to)];
    let chunk = this.#chunkOf(start);
    const last = this.#chunkOf(end);
    let count = -lowerBound(this.#chunks[chunk] as C[], start);
    for (; chunk < last; chunk += 1) count += (this.#chunks[chunk] as C[]).length;
    return Math.max(0, count + lowerBound(this.#chunks[last] as C[], end));
  }

  *forward(from: Buffer, to: Buffer): Generator<C, undefined> {
    const [start, end] = [textOf(from), textOf(to)];
    let chunkAt = this.#chunkOf(start);
    let at = lowerBound(this.#chunks[chunkAt] as C[], start);
    for (; chunkAt < this.#chunks.length; chunkAt += 1, at = 0) {
      const chunk = this.#chunks[chunkAt] as C[];
      for (; at < chunk.length; at += 1) {
        const cell = chunk[at] as C;
        if (cell.text >= end) return;
        yield cell;
      }
    }
  }

  *backward(from: Buffer, to: Buffer): Generator<C, undefined> {
    const [start, end] = [textOf(from), textOf(to)];
    let chunkAt = this.#chunkOf(end);
    let at = lowerBound(this.#chunks[chunkAt] as C[], end) - 1;
    while (chunkAt >= 0) {
      const chunk = this.#chunks[chunkAt] as C[];
      for (; at >= 0; at -= 1) {
        const cell = chunk[at] as C;
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
      const [first] = this.#chunks[middle] as C[];
      if (first && first.text <= text) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** A key as a cell has it. */
export const textOf = (key: Buffer): string => key.toString('latin1');

/** And back. */
export const keyOf = ({ text }: Cell): Buffer => Buffer.from(text, 'latin1');

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
