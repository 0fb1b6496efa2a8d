import type { KeyValue } from '../messages.ts';
import { StoredVersion } from '../stored-version.ts';
import type { LeaseRecord, ScanOptions, Span, View } from './engine.ts';
import {
  decodeLease,
  decodeRow,
  endOf,
  historyFrom,
  historyKey,
  historyPrefix,
  keyIn,
  modRevisionOf,
  numberIn,
  parseHistoryKey,
  table,
} from './rows.ts';
import type { SortedStore } from './sorted-store.ts';

/** Finds versions of keys in a sorted store. */
export class SortedView implements View {
  readonly revision: bigint;
  readonly compactRevision: bigint;
  readonly #store: SortedStore;

  constructor(store: SortedStore, revision: bigint, compactRevision: bigint) {
    this.#store = store;
    this.revision = revision;
    this.compactRevision = compactRevision;
  }

  get(key: Buffer): KeyValue | undefined {
    const keyRow = keyIn(table.newest, key);
    const row = this.#store.get(keyRow);
    return row && new StoredVersion(keyRow, row);
  }

  scan(span: Span, options: ScanOptions = {}): KeyValue[] {
    const { revision, limit = Number.POSITIVE_INFINITY, keysOnly = false } = options;
    if (isEmpty(span) || limit === 0) return [];
    const kvs: KeyValue[] = [];
    if (revision !== undefined && revision < this.revision) {
      for (const kv of this.#past(span, revision, keysOnly)) if (kvs.push(kv) >= limit) break;
      return kvs;
    }
    const [from, to] = newestRange(span);
    for (const { key, value } of this.#store.range(from, to, limit < Number.POSITIVE_INFINITY ? { limit } : {})) {
      kvs.push(keysOnly ? (decodeRow(key.subarray(1), value, true) as KeyValue) : new StoredVersion(key, value));
    }
    return kvs;
  }

  count(span: Span, revision?: bigint): number {
    if (isEmpty(span)) return 0;
    if (revision === undefined || revision >= this.revision) return this.#store.count(...newestRange(span));
    let count = 0;
    for (const _ of this.#past(span, revision, true)) count += 1;
    return count;
  }

  lease(id: bigint): LeaseRecord | undefined {
    const row = this.#store.get(numberIn(table.lease, id));
    return row && decodeLease(id, row);
  }

  meta(name: string): Buffer | undefined {
    return this.#store.get(keyIn(table.meta, Buffer.from(name)));
  }

  keysOf(lease: bigint): Buffer[] {
    const from = numberIn(table.attached, lease);
    const to = Buffer.concat([from, Buffer.alloc(this.#store.maxKeyBytes - from.length, 0xff)]);
    return Array.from(this.#store.keys(from, to), (row) => row.subarray(9));
  }

  /** The version of a key that was written in this very revision. */
  versionAt(key: Buffer, revision: bigint): KeyValue | undefined {
    const older = this.#store.get(historyKey(key, revision));
    if (older) return decodeRow(key, older);
    const newest = this.get(key);
    return newest?.modRevision === revision ? newest : undefined;
  }

  /** The version of a key that one written in this revision took the place of. */
  versionBefore(key: Buffer, revision: bigint): KeyValue | undefined {
    const range = this.#store.range(historyPrefix(key), historyKey(key, revision), { limit: 1, reverse: true });
    for (const { value } of range) return decodeRow(key, value);
    return undefined;
  }

  /**
   * Two walks side by side: the newest versions that are old enough, and, where the newest is too young or gone, the
   * history.
   */
  *#past(span: Span, revision: bigint, keysOnly: boolean): Iterable<KeyValue> {
    const older = this.#olderVersions(span, revision, keysOnly);
    try {
      let candidate = older.next();
      const [from, to] = newestRange(span);
      for (const { key: row, value } of this.#store.range(from, to)) {
        const key = row.subarray(1);
        while (!candidate.done && Buffer.compare(candidate.value.key, key) < 0) {
          yield candidate.value;
          candidate = older.next();
        }
        const sameKey = !candidate.done && Buffer.compare(candidate.value.key, key) === 0;
        if (modRevisionOf(value) <= revision) yield decodeRow(key, value, keysOnly) as KeyValue;
        else if (sameKey) yield candidate.value as KeyValue;
        if (sameKey) candidate = older.next();
      }
      for (; !candidate.done; candidate = older.next()) yield candidate.value;
    } finally {
      // A walk that is not ended holds its snapshot, and with it all space that is freed from then on.
      older.return(undefined);
    }
  }

  /** Of each key that has a history: its newest version there that is not younger than `revision`, unless deleted. */
  *#olderVersions(span: Span, revision: bigint, keysOnly: boolean): Generator<KeyValue, undefined> {
    const to = span.to ? historyFrom(span.to) : endOf(table.history);
    let key: Buffer | undefined;
    let best: Buffer | undefined;
    for (const entry of this.#store.range(historyFrom(span.from), to)) {
      const parsed = parseHistoryKey(entry.key);
      if (!key?.equals(parsed.key)) {
        const kv = key && best && decodeRow(key, best, keysOnly);
        if (kv) yield kv;
        key = parsed.key;
        best = undefined;
      }
      if (parsed.revision <= revision) best = entry.value;
    }
    const kv = key && best && decodeRow(key, best, keysOnly);
    if (kv) yield kv;
    return undefined;
  }
}

function isEmpty({ from, to }: Span): boolean {
  return to !== undefined && Buffer.compare(from, to) >= 0;
}

function newestRange({ from, to }: Span): [Buffer, Buffer] {
  return [keyIn(table.newest, from), to ? keyIn(table.newest, to) : endOf(table.newest)];
}
