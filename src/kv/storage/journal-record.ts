import { crc32 } from 'node:zlib';
import type { Write } from './sorted-store.ts';

/**
 * A record of the journal: checksum of the header, length of the body, sequence number, checksum of the body; then the
 * writes. Both checksums begin with a number that no client knows, so that no value that lies in the remains of an older
 * record can pass for a record itself.
 */
const headerBytes = 18;
/** Records begin at multiples of it: a device writes such a piece whole, so none is torn by the writing of the next. */
const alignBytes = 512;

/** One found in a segment. */
export interface FoundRecord {
  readonly sequence: number;
  readonly record: Buffer;
  /** The place of the next one. */
  readonly end: number;
}

/** One write, as a part of the record that it came in. */
export interface RecordedWrite {
  /** The key, a character per byte. */
  readonly text: string;
  readonly isRemoval: boolean;
  readonly sequence: number;
  readonly record: Buffer;
  /** Where in the record its value is. */
  readonly valueAt: number;
  readonly end: number;
}

/** How long a record will be. */
export function recordBytes(writes: readonly Write[]): number {
  let length = headerBytes;
  for (const { key, value } of writes) length += 6 + key.length + (value ? value.length : 0);
  return length;
}

export function encodeRecord(salt: number, sequence: number, writes: readonly Write[]): Buffer {
  const length = recordBytes(writes);
  // On its own: what is kept of it must not keep what else Node would put into the same piece of memory.
  const record = Buffer.allocUnsafeSlow(length);
  let at = headerBytes;
  for (const { key, value } of writes) {
    record.writeUInt16BE(key.length, at);
    // 0: the key is removed.
    record.writeUInt32BE(value ? value.length + 1 : 0, at + 2);
    key.copy(record, at + 6);
    at += 6 + key.length;
    if (value) at += value.copy(record, at);
  }
  record.writeUInt32BE(length - headerBytes, 4);
  record.writeUIntBE(sequence, 8, 6);
  record.writeUInt32BE(crc32(record.subarray(headerBytes), salt), 14);
  record.writeUInt32BE(crc32(record.subarray(4, headerBytes), salt), 0);
  return record;
}

/** All whole records of a segment, wherever they are: what is torn, was never written or is no record is passed over. */
export function* recordsIn(segment: Buffer, salt: number): Generator<FoundRecord> {
  for (let at = 0; at + headerBytes <= segment.length; ) {
    const found = recordAt(segment, at, salt);
    if (found) yield found;
    at = found?.end ?? at + alignBytes;
  }
}

function recordAt(segment: Buffer, at: number, salt: number): FoundRecord | undefined {
  const begin = at + headerBytes;
  if (segment.readUInt32BE(at) !== crc32(segment.subarray(at + 4, begin), salt)) return undefined;
  const body = segment.subarray(begin, begin + segment.readUInt32BE(at + 4));
  if (segment.readUInt32BE(at + 14) !== crc32(body, salt)) return undefined;
  const end = begin + body.length;
  return { sequence: segment.readUIntBE(at + 8, 6), record: segment.subarray(at, end), end: aligned(end) };
}

/** The first place from `at` on where a record may begin. */
export function aligned(at: number): number {
  return Math.ceil(at / alignBytes) * alignBytes;
}

/** The writes of a whole record. */
export function writesIn(record: Buffer): RecordedWrite[] {
  const sequence = record.readUIntBE(8, 6);
  const writes: RecordedWrite[] = [];
  for (let at = headerBytes; at < record.length; ) {
    const valueAt = at + 6 + record.readUInt16BE(at);
    const length = record.readUInt32BE(at + 2);
    const isRemoval = length === 0;
    const end = isRemoval ? valueAt : valueAt + length - 1;
    writes.push({ text: record.toString('latin1', at + 6, valueAt), isRemoval, sequence, record, valueAt, end });
    at = end;
  }
  return writes;
}

/** undefined: the key is removed. */
export function valueIn({ record, isRemoval, valueAt, end }: RecordedWrite): Buffer | undefined {
  return isRemoval ? undefined : record.subarray(valueAt, end);
}
