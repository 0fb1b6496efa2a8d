import type { KeyValue } from '../messages.ts';
import { StoredVersion, storedAt } from '../stored-version.ts';
import type { LeaseRecord } from './engine.ts';

/**
 * How the store looks as sorted bytes. The first byte names the table:
 *   k key              → the newest version, if there is one
 *   h key revision     → an older version, or that the key was deleted then
 *   r revision         → the keys that changed, and how
 *   a lease key        → nothing: the key hangs on the lease
 *   l lease            → the lease
 *   m name             → what is not part of the key space
 *   s                  → revision and compact revision
 *   j                  → which batches of the journal are in here (`journaled-store.ts`)
 *   f                  → length of the file (`lmdb.ts`)
 * A version moves from k to h when the next one comes, so that reading the present is one walk over k, and what is
 * written once is stored once.
 */
export const table = { newest: 0x6b, history: 0x68, revision: 0x72, attached: 0x61, lease: 0x6c, meta: 0x6d } as const;

export const stateKey = Buffer.from('s');
export const journalKey = Buffer.from('j');
export const fileKey = Buffer.from('f');

/** Bytes that a key grows by in the longest of its rows: table, terminator and revision. */
export const keyOverheadBytes = 11;

export function endOf(tableByte: number): Buffer {
  return Buffer.of(tableByte + 1);
}

export function keyIn(tableByte: number, key: Buffer): Buffer {
  const row = Buffer.allocUnsafe(key.length + 1);
  row[0] = tableByte;
  key.copy(row, 1);
  return row;
}

export function numberIn(tableByte: number, number: bigint): Buffer {
  const row = Buffer.allocUnsafe(9);
  row[0] = tableByte;
  row.writeBigUInt64BE(BigInt.asUintN(64, number), 1);
  return row;
}

/** The beginning of all rows of a key in the history: zero bytes are escaped, so that no key is another's beginning. */
export function historyPrefix(key: Buffer): Buffer {
  return escaped(key, 2);
}

export function historyKey(key: Buffer, revision: bigint): Buffer {
  const row = escaped(key, 10);
  row.writeBigUInt64BE(revision, row.length - 8);
  return row;
}

/** Where the history of the keys from this one on begins: as the prefix, without the end of the key. */
export function historyFrom(key: Buffer): Buffer {
  return escaped(key, 0);
}

function escaped(key: Buffer, tail: number): Buffer {
  if (!key.includes(0)) {
    const row = Buffer.allocUnsafe(1 + key.length + tail);
    row[0] = table.history;
    key.copy(row, 1);
    if (tail >= 2) row.writeUInt16BE(0, 1 + key.length);
    return row;
  }
  let zeros = 0;
  for (const byte of key) if (byte === 0) zeros += 1;
  const row = Buffer.allocUnsafe(1 + key.length + zeros + tail);
  row[0] = table.history;
  let at = 1;
  for (const byte of key) {
    row[at++] = byte;
    if (byte === 0) row[at++] = 0xff;
  }
  if (tail >= 2) row.writeUInt16BE(0, at);
  return row;
}

/** The key and revision of a row of the history. */
export function parseHistoryKey(row: Buffer): { readonly key: Buffer; readonly revision: bigint } {
  const revision = row.readBigUInt64BE(row.length - 8);
  const body = row.subarray(1, row.length - 10);
  if (!body.includes(0)) return { key: body, revision };
  const key = Buffer.allocUnsafe(body.length);
  let length = 0;
  for (let at = 0; at < body.length; at += 1) {
    key[length++] = body[at] as number;
    if (body[at] === 0) at += 1;
  }
  return { key: key.subarray(0, length), revision };
}

export function encodeRow(kv: KeyValue): Buffer {
  if (kv instanceof StoredVersion) return kv.row;
  const row = Buffer.allocUnsafe(storedAt.value + kv.value.length);
  row.writeBigInt64BE(kv.createRevision, storedAt.createRevision);
  row.writeBigInt64BE(kv.modRevision, storedAt.modRevision);
  row.writeBigInt64BE(kv.version, storedAt.version);
  row.writeBigInt64BE(kv.lease, storedAt.lease);
  kv.value.copy(row, storedAt.value);
  return row;
}

/** Shorter than any row. Not empty: not every store tells an empty value from none. */
export const tombstone = Buffer.of(0);
export const present = Buffer.of(0);
const noValue = Buffer.alloc(0);

/** undefined: the key was deleted. */
export function decodeRow(key: Buffer, row: Buffer, keysOnly = false): KeyValue | undefined {
  if (row.length < storedAt.value) return undefined;
  return {
    key,
    createRevision: row.readBigInt64BE(storedAt.createRevision),
    modRevision: row.readBigInt64BE(storedAt.modRevision),
    version: row.readBigInt64BE(storedAt.version),
    lease: row.readBigInt64BE(storedAt.lease),
    value: keysOnly ? noValue : row.subarray(storedAt.value),
  };
}

/** When the row was written, without reading all of it. */
export function modRevisionOf(row: Buffer): bigint {
  return row.readBigInt64BE(storedAt.modRevision);
}

export interface LoggedChange {
  readonly deleted: boolean;
  readonly key: Buffer;
}

export function encodeLog(changes: readonly LoggedChange[]): Buffer {
  const row = Buffer.allocUnsafe(changes.reduce((sum, { key }) => sum + key.length + 5, 0));
  let at = 0;
  for (const { deleted, key } of changes) {
    row[at] = deleted ? 1 : 0;
    row.writeUInt32BE(key.length, at + 1);
    key.copy(row, at + 5);
    at += 5 + key.length;
  }
  return row;
}

export function decodeLog(row: Buffer): LoggedChange[] {
  const changes: LoggedChange[] = [];
  for (let at = 0; at < row.length; ) {
    const end = at + 5 + row.readUInt32BE(at + 1);
    changes.push({ deleted: row[at] === 1, key: row.subarray(at + 5, end) });
    at = end;
  }
  return changes;
}

export function encodeLease(lease: LeaseRecord): Buffer {
  const row = Buffer.allocUnsafe(16);
  row.writeBigInt64BE(lease.ttl, 0);
  row.writeDoubleBE(lease.remainingMs, 8);
  return row;
}

export function decodeLease(id: bigint, row: Buffer): LeaseRecord {
  return { id, ttl: row.readBigInt64BE(0), remainingMs: row.readDoubleBE(8) };
}

export function encodeState(revision: bigint, compactRevision: bigint): Buffer {
  const row = Buffer.allocUnsafe(16);
  row.writeBigInt64BE(revision, 0);
  row.writeBigInt64BE(compactRevision, 8);
  return row;
}

export function decodeState(row: Buffer | undefined): { readonly revision: bigint; readonly compactRevision: bigint } {
  if (!row) return { revision: 1n, compactRevision: -1n };
  return { revision: row.readBigInt64BE(0), compactRevision: row.readBigInt64BE(8) };
}
