import type { Entry, SortedRangeOptions, Write } from './sorted-store.ts';

/** Entries with newer writes over them, both in the same order: a write takes the place of its key's entry, or removes it. */
export function* overlaid(
  newer: Iterator<Write, undefined>,
  entries: Iterable<Entry>,
  { limit = Number.POSITIVE_INFINITY, reverse = false }: SortedRangeOptions = {},
): Generator<Entry, undefined> {
  let left = limit;
  let write = newer.next().value;
  for (const entry of entries) {
    let order = 1;
    while (write && order > 0) {
      order = reverse ? Buffer.compare(write.key, entry.key) : Buffer.compare(entry.key, write.key);
      if (order < 0) break;
      if (write.value) {
        if (left-- <= 0) return;
        yield { key: write.key, value: write.value };
      }
      write = newer.next().value;
    }
    if (order === 0) continue;
    if (left-- <= 0) return;
    yield entry;
  }
  for (; write; write = newer.next().value) {
    if (!write.value) continue;
    if (left-- <= 0) return;
    yield { key: write.key, value: write.value };
  }
}
