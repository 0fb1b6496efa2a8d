/** An item of a heap; an item can be in one heap at a time. */
export interface HeapItem {
  /** Where it is; owned by the heap. */
  position: number;
}

/** A binary heap that can move and remove any of its items, so that it never holds a stale one. */
export class Heap<T extends HeapItem> {
  readonly #items: T[] = [];
  readonly #compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first) this.remove(first);
    return first;
  }

  remove(item: T): void {
    const last = this.#items.pop();
    if (!last || last === item) return;
    this.#place(last, item.position);
    this.update(last);
  }

  /** Call after a change of the item that may change its order. */
  update(item: T): void {
    this.#up(item, item.position);
    this.#down(item, item.position);
  }

  clear(): void {
    this.#items.length = 0;
  }

  #place(item: T, position: number): void {
    this.#items[position] = item;
    item.position = position;
  }

  #up(item: T, from: number): void {
    let position = from;
    while (position > 0) {
      const above = (position - 1) >> 1;
      const parent = this.#items[above] as T;
      if (this.#compare(item, parent) >= 0) break;
      this.#place(parent, position);
      position = above;
    }
    this.#place(item, position);
  }

  #down(item: T, from: number): void {
    let position = from;
    for (;;) {
      let below = 2 * position + 1;
      let child = this.#items[below];
      if (!child) break;
      const right = this.#items[below + 1];
      if (right && this.#compare(right, child) < 0) {
        child = right;
        below += 1;
      }
      if (this.#compare(item, child) <= 0) break;
      this.#place(child, position);
      position = below;
    }
    this.#place(item, position);
  }
}
