import type { Event } from '../messages.ts';
import type { Batch, HistoryPage, LeaseRecord, Needs, StorageEngine, StoredBytes, View, Wanted } from './engine.ts';
import {
  decodeLease,
  decodeLog,
  decodeState,
  encodeLease,
  encodeLog,
  encodeRow,
  encodeState,
  endOf,
  historyKey,
  historyPrefix,
  keyIn,
  keyOverheadBytes,
  type LoggedChange,
  numberIn,
  present,
  stateKey,
  table,
  tombstone,
} from './rows.ts';
import type { SortedStore, Write } from './sorted-store.ts';
import { SortedView } from './sorted-view.ts';

const pageRevisions = 1000;
const pageBytes = 1 << 20;
const noBytes = Buffer.alloc(0);

/** A storage engine on any store of sorted bytes that answers at once. */
export class OrderedEngine implements StorageEngine {
  readonly maxKeyBytes: number;
  readonly #store: SortedStore;
  #view: SortedView;

  constructor(store: SortedStore) {
    this.#store = store;
    this.maxKeyBytes = store.maxKeyBytes - keyOverheadBytes;
    const { revision, compactRevision } = decodeState(store.get(stateKey));
    this.#view = new SortedView(store, revision, compactRevision);
  }

  get revision(): bigint {
    return this.#view.revision;
  }

  get compactRevision(): bigint {
    return this.#view.compactRevision;
  }

  read<T>(_needs: () => Needs, use: (view: View) => T): T {
    return use(this.#view);
  }

  async write(_needs: () => Needs, decide: (view: View) => Batch | undefined): Promise<void> {
    const batch = decide(this.#view);
    if (!batch) return;
    const committed = this.#store.commit(writesOf(batch));
    if (committed !== undefined) await committed;
    this.#store.refresh();
    this.#view = new SortedView(this.#store, batch.revision, batch.compactRevision);
  }

  history(from: bigint, through: bigint, wanted: (key: Buffer) => Wanted): HistoryPage {
    const view = this.#view;
    const { compactRevision } = view;
    const events: Event[] = [];
    let bytes = 0;
    const rows = this.#store.range(numberIn(table.revision, from), numberIn(table.revision, through + 1n), {
      limit: pageRevisions,
    });
    let read = 0;
    let last = from;
    for (const { key, value } of rows) {
      last = key.readBigUInt64BE(1);
      read += 1;
      for (const change of decodeLog(value)) {
        const event = this.#event(view, last, change, wanted(change.key));
        if (!event) continue;
        events.push(event);
        bytes += event.kv.key.length + event.kv.value.length + (event.prevKv?.value.length ?? 0);
      }
      if (bytes >= pageBytes) return { events, through: last, compactRevision };
    }
    return { events, through: read === pageRevisions ? last : through, compactRevision };
  }

  #event(view: SortedView, revision: bigint, { deleted, key }: LoggedChange, wanted: Wanted): Event | undefined {
    if (wanted === 'nothing') return undefined;
    // Below the compact revision the version before may be gone or not: say nothing rather than now this, now that.
    const readPrevious = wanted === 'event and previous' && revision - 1n >= view.compactRevision;
    const prevKv = readPrevious ? view.versionBefore(key, revision) : undefined;
    if (deleted) return { type: 'DELETE', kv: deletedKey(key, revision), prevKv };
    const kv = view.versionAt(key, revision);
    return kv && { type: 'PUT', kv, prevKv: kv.version === 1n ? undefined : prevKv };
  }

  async trim(): Promise<boolean> {
    const { compactRevision } = this.#view;
    if (compactRevision < 0n) return false;
    const writes: Write[] = [];
    const through = numberIn(table.revision, compactRevision + 1n);
    for (const { key, value } of this.#store.range(numberIn(table.revision, 0n), through, { limit: pageRevisions })) {
      const revision = key.readBigUInt64BE(1);
      const changes = decodeLog(value);
      for (const change of changes) {
        for (const older of this.#store.keys(historyPrefix(change.key), historyKey(change.key, revision))) {
          writes.push({ key: older, value: undefined });
        }
        if (change.deleted) writes.push({ key: historyKey(change.key, revision), value: undefined });
      }
      // A watch may still begin at the compact revision itself; of a deletion then, etcd too says nothing.
      const kept = revision === compactRevision ? changes.filter(({ deleted }) => !deleted) : [];
      if (kept.length === 0) writes.push({ key, value: undefined });
      else if (kept.length < changes.length) writes.push({ key, value: encodeLog(kept) });
    }
    if (writes.length === 0) {
      await this.#store.settle();
      return false;
    }
    const committed = this.#store.commit(writes);
    if (committed !== undefined) await committed;
    this.#store.refresh();
    return true;
  }

  leases(): LeaseRecord[] {
    const rows = this.#store.range(numberIn(table.lease, 0n), endOf(table.lease));
    return Array.from(rows, ({ key, value }) => decodeLease(key.readBigInt64BE(1), value));
  }

  meta(name: string): Buffer | undefined {
    return this.#store.get(keyIn(table.meta, Buffer.from(name)));
  }

  listMeta(prefix: string): { readonly name: string; readonly value: Buffer }[] {
    const from = keyIn(table.meta, Buffer.from(prefix));
    const found: { readonly name: string; readonly value: Buffer }[] = [];
    for (const { key, value } of this.#store.range(from, endOf(table.meta))) {
      const name = key.toString('utf8', 1);
      if (!name.startsWith(prefix)) break;
      found.push({ name, value });
    }
    return found;
  }

  size(): StoredBytes {
    return this.#store.size();
  }

  defragment(): Promise<void> {
    return this.#store.defragment();
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function deletedKey(key: Buffer, modRevision: bigint): Event['kv'] {
  return { key, createRevision: 0n, modRevision, version: 0n, value: noBytes, lease: 0n };
}

function writesOf(batch: Batch): Write[] {
  const writes: Write[] = [{ key: stateKey, value: encodeState(batch.revision, batch.compactRevision) }];
  let logged: LoggedChange[] = [];
  let loggedRevision = 0n;
  const flushLog = () => {
    if (logged.length) writes.push({ key: numberIn(table.revision, loggedRevision), value: encodeLog(logged) });
    logged = [];
  };
  for (const { type, kv, prevKv } of batch.events) {
    const { key, modRevision } = kv;
    const deleted = type === 'DELETE';
    if (!batch.withoutHistory) {
      if (modRevision !== loggedRevision) flushLog();
      loggedRevision = modRevision;
      logged.push({ deleted, key });
      if (prevKv) writes.push({ key: historyKey(key, prevKv.modRevision), value: encodeRow(prevKv) });
      if (deleted) writes.push({ key: historyKey(key, modRevision), value: tombstone });
    }
    writes.push({ key: keyIn(table.newest, key), value: deleted ? undefined : encodeRow(kv) });
    const lease = deleted ? 0n : kv.lease;
    const before = prevKv?.lease ?? 0n;
    if (before !== lease && before !== 0n) writes.push({ key: attachedKey(before, key), value: undefined });
    if (before !== lease && lease !== 0n) writes.push({ key: attachedKey(lease, key), value: present });
  }
  flushLog();
  for (const [id, lease] of batch.leases) {
    writes.push({ key: numberIn(table.lease, id), value: lease && encodeLease(lease) });
  }
  for (const [name, value] of batch.meta) writes.push({ key: keyIn(table.meta, Buffer.from(name)), value });
  return writes;
}

function attachedKey(lease: bigint, key: Buffer): Buffer {
  return Buffer.concat([numberIn(table.attached, lease), key]);
}
