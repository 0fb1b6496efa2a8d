import { decodeLease, encodeLease, table } from '../rows.ts';
import type { FdbTransaction } from './client.ts';

const root = Buffer.from('pgherd-kv/');
const kinds = { row: 0x72, piece: 0x70, control: 0x63 } as const;
/** FoundationDB takes 100 kB. */
const pieceBytes = 90_000;
const forms = { whole: 0, pieces: 1 } as const;

/** All that is ours. */
export const everything = { start: root, end: Buffer.concat([root.subarray(0, -1), Buffer.of(0x30)]) };

/** What is not a row of the store. */
export const controlKey = (name: string): Buffer => Buffer.concat([root, Buffer.of(kinds.control), Buffer.from(name)]);

/** Where a row of `rows.ts` is. */
export const rowKey = (key: Buffer): Buffer => Buffer.concat([root, Buffer.of(kinds.row), key]);

const keyOf = (place: Buffer): Buffer => place.subarray(root.length + 1);

/** Writes a row, in pieces if it is too long for one value. */
export function setRow(transaction: FdbTransaction, key: Buffer, value: Buffer | undefined, nowMs: number): void {
  const { start, end } = piecesOf(key);
  transaction.clearRange(start, end);
  if (value === undefined) {
    transaction.clear(rowKey(key));
    return;
  }
  const kept = key[0] === table.lease ? untilOf(value, nowMs) : value;
  if (kept.length <= pieceBytes) {
    transaction.set(rowKey(key), Buffer.concat([Buffer.of(forms.whole), kept]));
    return;
  }
  transaction.set(rowKey(key), Buffer.of(forms.pieces));
  for (let at = 0, piece = 0; at < kept.length; at += pieceBytes, piece += 1) {
    const number = Buffer.alloc(2);
    number.writeUInt16BE(piece);
    transaction.set(Buffer.concat([start, number]), kept.subarray(at, at + pieceBytes));
  }
}

/** Reads one row. */
export async function getRow(transaction: FdbTransaction, key: Buffer, nowMs: number): Promise<Buffer | undefined> {
  const found = await transaction.get(rowKey(key));
  return found && wholeOf(transaction, key, found, nowMs);
}

/** Reads the rows of a range. */
export async function getRows(
  transaction: FdbTransaction,
  range: { readonly from: Buffer; readonly to: Buffer; readonly limit?: number; readonly reverse?: boolean },
  nowMs: number,
): Promise<{ readonly key: Buffer; readonly value: Buffer }[]> {
  const { from, to, limit, reverse = false } = range;
  if (Buffer.compare(from, to) >= 0) return [];
  const options = { reverse, ...(limit !== undefined && { limit }) };
  const found = await transaction.getRangeAll(rowKey(from), rowKey(to), options);
  return Promise.all(
    found.map(async ([place, value]) => {
      const key = keyOf(place);
      return { key, value: await wholeOf(transaction, key, value, nowMs) };
    }),
  );
}

async function wholeOf(transaction: FdbTransaction, key: Buffer, found: Buffer, nowMs: number): Promise<Buffer> {
  if (found[0] === forms.whole) {
    const value = found.subarray(1);
    return key[0] === table.lease ? leftOf(value, nowMs) : value;
  }
  const { start, end } = piecesOf(key);
  return Buffer.concat((await transaction.getRangeAll(start, end)).map(([, piece]) => piece));
}

/** The length comes first, so that no key's pieces are among another's. */
function piecesOf(key: Buffer): { readonly start: Buffer; readonly end: Buffer } {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(key.length);
  const start = Buffer.concat([root, Buffer.of(kinds.piece), length, key]);
  return { start, end: Buffer.concat([start, Buffer.of(0xff, 0xff, 0xff)]) };
}

/** A lease is kept with the time at which it ends, because the time passes for all servers. */
function untilOf(row: Buffer, nowMs: number): Buffer {
  const lease = decodeLease(0n, row);
  return encodeLease({ ...lease, remainingMs: nowMs + lease.remainingMs });
}

function leftOf(row: Buffer, nowMs: number): Buffer {
  const lease = decodeLease(0n, row);
  return encodeLease({ ...lease, remainingMs: lease.remainingMs - nowMs });
}
