/** Something with a time at which somebody must look at it. */
export interface Deadline {
  lookAtMs: number;
}

/** The earliest deadline first: a binary heap. */
export class DeadlineHeap<T extends Deadline> {
  readonly #items: T[] = [];

  get first(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((items[parent] as T).lookAtMs <= item.lookAtMs) break;
      items[at] = items[parent] as T;
      at = parent;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && (items[child + 1] as T).lookAtMs < (items[child] as T).lookAtMs) child += 1;
      if ((items[child] as T).lookAtMs >= last.lookAtMs) break;
      items[at] = items[child] as T;
      at = child;
    }
    items[at] = last;
    return first;
  }
}
