const chunkCells = 256;

/** A key and what is kept for it. */
export interface Cell<Value> {
  /** One character per byte, so that strings compare as the bytes do. */
  readonly text: string;
  readonly key: Buffer;
  value: Value;
}

/** Sorted cells in chunks of limited length: finding is two binary searches, inserting moves one chunk's tail. */
export class SortedCells<Value> {
  #chunks: Cell<Value>[][] = [[]];

  get(key: Buffer): Value | undefined {
    const text = key.toString('latin1');
    const chunk = this.#chunks[this.#chunkOf(text)] as Cell<Value>[];
    const cell = chunk[lowerBound(chunk, text)];
    return cell && cell.text === text ? cell.value : undefined;
  }

  /** Returns what was there before. */
  set(key: Buffer, value: Value): Value | undefined {
    const text = key.toString('latin1');
    const chunkAt = this.#chunkOf(text);
    const chunk = this.#chunks[chunkAt] as Cell<Value>[];
    const at = lowerBound(chunk, text);
    const cell = chunk[at];
    if (cell?.text === text) {
      const before = cell.value;
      cell.value = value;
      return before;
    }
    chunk.splice(at, 0, { text, key, value });
    if (chunk.length > chunkCells) {
      // What grows at its end, as the log does, leaves full chunks behind.
      const half = at === chunkCells ? chunkCells : chunkCells / 2;
      this.#chunks.splice(chunkAt + 1, 0, chunk.splice(half));
    }
    return undefined;
  }

  /** Returns what was there before. */
  delete(key: Buffer): Value | undefined {
    const text = key.toString('latin1');
    const chunkAt = this.#chunkOf(text);
    const chunk = this.#chunks[chunkAt] as Cell<Value>[];
    const at = lowerBound(chunk, text);
    if (chunk[at]?.text !== text) return undefined;
    const [cell] = chunk.splice(at, 1);
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(chunkAt, 1);
    return cell?.value;
  }

  /** Keeps only what is wanted. */
  retain(isWanted: (cell: Cell<Value>) => boolean): void {
    const kept = this.#chunks.map((chunk) => chunk.filter(isWanted));
    this.#chunks = kept.filter((chunk) => chunk.length > 0);
    if (this.#chunks.length === 0) this.#chunks = [[]];
  }

  count(from: Buffer, to: Buffer): number {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunk = this.#chunkOf(start);
    const last = this.#chunkOf(end);
    let count = -lowerBound(this.#chunks[chunk] as Cell<Value>[], start);
    for (; chunk < last; chunk += 1) count += (this.#chunks[chunk] as Cell<Value>[]).length;
    return Math.max(0, count + lowerBound(this.#chunks[last] as Cell<Value>[], end));
  }

  *forward(from: Buffer, to: Buffer): Generator<Cell<Value>, undefined> {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunkAt = this.#chunkOf(start);
    let at = lowerBound(this.#chunks[chunkAt] as Cell<Value>[], start);
    for (; chunkAt < this.#chunks.length; chunkAt += 1, at = 0) {
      const chunk = this.#chunks[chunkAt] as Cell<Value>[];
      for (; at < chunk.length; at += 1) {
        const cell = chunk[at] as Cell<Value>;
        if (cell.text >= end) return;
        yield cell;
      }
    }
  }

  *backward(from: Buffer, to: Buffer): Generator<Cell<Value>, undefined> {
    const [start, end] = [from.toString('latin1'), to.toString('latin1')];
    let chunkAt = this.#chunkOf(end);
    let at = lowerBound(this.#chunks[chunkAt] as Cell<Value>[], end) - 1;
    while (chunkAt >= 0) {
      const chunk = this.#chunks[chunkAt] as Cell<Value>[];
      for (; at >= 0; at -= 1) {
        const cell = chunk[at] as Cell<Value>;
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
      const [first] = this.#chunks[middle] as Cell<Value>[];
      if (first && first.text <= text) low = middle;
      else high = middle;
    }
    return low;
  }
}

/** The first place whose text is not below `text`. */
function lowerBound<Value>(chunk: readonly Cell<Value>[], text: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((chunk[middle] as Cell<Value>).text < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
