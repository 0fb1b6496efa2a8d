import type { Cell } from './sorted-cells.ts';
import type { Entry, SortedRangeOptions } from './sorted-store.ts';

type NewerCell = Cell<{ readonly value: Buffer | undefined }>;

/** Entries with newer ones over them, both in the same order: a newer one takes the place of its key, or removes it. */
export function* overlaid(
  newer: Iterator<NewerCell, undefined>,
  entries: Iterable<Entry>,
  { limit = Number.POSITIVE_INFINITY, reverse = false }: SortedRangeOptions = {},
): Generator<Entry, undefined> {
  let left = limit;
  let cell = newer.next().value;
  for (const entry of entries) {
    let order = 1;
    while (cell && order > 0) {
      order = reverse ? Buffer.compare(cell.key, entry.key) : Buffer.compare(entry.key, cell.key);
      if (order < 0) break;
      if (cell.value.value) {
        if (left-- <= 0) return;
        yield { key: cell.key, value: cell.value.value };
      }
      cell = newer.next().value;
    }
    if (order === 0) continue;
    if (left-- <= 0) return;
    yield entry;
  }
  for (; cell; cell = newer.next().value) {
    if (!cell.value.value) continue;
    if (left-- <= 0) return;
    yield { key: cell.key, value: cell.value.value };
  }
}
