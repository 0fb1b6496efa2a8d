import { spanHas } from '../mvcc/key-span.ts';
import type { Span } from '../storage/engine.ts';
import type { Watcher } from './watcher.ts';

interface RangeGroup {
  readonly span: Span;
  readonly watchers: Set<Watcher>;
}

/**
 * Finds the watchers of a key: those of the key itself by its name, those of ranges among the distinct ranges, which
 * are kept by where they begin, each with the furthest end of those before it.
 */
export class WatcherIndex {
  readonly #byKey = new Map<string, Set<Watcher>>();
  readonly #byRange = new Map<string, RangeGroup>();
  #sorted: readonly RangeGroup[] = [];
  /** The furthest end of the ranges up to each; undefined is further than any. */
  #furthest: readonly (Buffer | undefined)[] = [];
  #stale = false;

  add(watcher: Watcher): void {
    if (watcher.singleKey !== undefined) {
      const watchers = this.#byKey.get(watcher.singleKey);
      if (watchers) watchers.add(watcher);
      else this.#byKey.set(watcher.singleKey, new Set([watcher]));
      return;
    }
    const name = nameOf(watcher.span);
    const group = this.#byRange.get(name);
    if (group) group.watchers.add(watcher);
    else {
      this.#byRange.set(name, { span: watcher.span, watchers: new Set([watcher]) });
      this.#stale = true;
    }
  }

  remove(watcher: Watcher): void {
    if (watcher.singleKey !== undefined) {
      const watchers = this.#byKey.get(watcher.singleKey);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#byKey.delete(watcher.singleKey);
      return;
    }
    const name = nameOf(watcher.span);
    const group = this.#byRange.get(name);
    group?.watchers.delete(watcher);
    if (group?.watchers.size === 0) {
      this.#byRange.delete(name);
      this.#stale = true;
    }
  }

  /** Calls `visit` for every watcher of a key. */
  visit(key: Buffer, visit: (watcher: Watcher) => void): void {
    if (this.#byKey.size) {
      const watchers = this.#byKey.get(key.toString('latin1'));
      if (watchers) for (const watcher of watchers) visit(watcher);
    }
    if (this.#byRange.size === 0) return;
    this.#sort();
    for (let at = this.#lastFrom(key); at >= 0; at -= 1) {
      const furthest = this.#furthest[at];
      if (furthest && Buffer.compare(furthest, key) <= 0) return;
      const { span, watchers } = this.#sorted[at] as RangeGroup;
      if (spanHas(span, key)) for (const watcher of watchers) visit(watcher);
    }
  }

  all(): Watcher[] {
    return [...this.#byKey.values(), ...Array.from(this.#byRange.values(), ({ watchers }) => watchers)].flatMap(
      (watchers) => [...watchers],
    );
  }

  #sort(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#sorted = [...this.#byRange.values()].sort((a, b) => Buffer.compare(a.span.from, b.span.from));
    const furthest: (Buffer | undefined)[] = [];
    for (const [index, { span }] of this.#sorted.entries()) {
      const before = furthest[index - 1];
      const isFurther = index === 0 || (before && (!span.to || Buffer.compare(span.to, before) > 0));
      furthest.push(isFurther ? span.to : before);
    }
    this.#furthest = furthest;
  }

  /** The last range that does not begin after the key, -1 for none. */
  #lastFrom(key: Buffer): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Buffer.compare((this.#sorted[middle] as RangeGroup).span.from, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function nameOf({ from, to }: Span): string {
  return `${from.length} ${from.toString('latin1')}${to ? to.toString('latin1') : ''}${to ? '' : '\0end'}`;
}
