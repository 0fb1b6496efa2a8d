import type { Batch, LeaseRecord, StorageEngine } from '../storage/engine.ts';
import { crc32c } from './crc32c.ts';
import { pagesAt } from './pages.ts';

const magic = Buffer.from('pgherd kv snapshot 1\n');
const keyHeaderBytes = 40;

/** A file that is no snapshot, or not the whole of one. */
export class DamagedSnapshotError extends Error {
  readonly code = 'damaged-snapshot';

  constructor(why: string) {
    super(`the snapshot is damaged: ${why}`);
    this.name = 'DamagedSnapshotError';
  }
}

/**
 * The keys, leases and settings of one revision. Frames of a length, a kind and a body; the last one holds the checksum
 * of all before it, so that a file that was cut off or changed is not mistaken for a whole one. History is not part of
 * it: for whoever reads the restored store, it was compacted.
 */
export async function* writeSnapshot(engine: StorageEngine, signal: AbortSignal): AsyncGenerator<Buffer> {
  const { revision } = engine;
  let crc = crc32c(magic);
  const frame = (kind: string, ...body: Buffer[]): Buffer => {
    const length = body.reduce((sum, part) => sum + part.length, 1);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length);
    head.write(kind, 4);
    const bytes = Buffer.concat([head, ...body]);
    crc = crc32c(bytes, crc);
    return bytes;
  };
  yield magic;
  yield frame('r', int64(revision));
  for (const { id, ttl, remainingMs } of await engine.leases()) {
    yield frame('l', int64(id), int64(ttl), int64(BigInt(Math.round(remainingMs))));
  }
  for (const { name, value } of await engine.listMeta('')) {
    const text = Buffer.from(name);
    yield frame('m', int32(text.length), text, value);
  }
  for await (const page of pagesAt(engine, revision)) {
    signal.throwIfAborted();
    const frames = page.map(({ key, value, createRevision, modRevision, version, lease }) =>
      frame(
        'k',
        int64(createRevision),
        int64(modRevision),
        int64(version),
        int64(lease),
        int64(BigInt(key.length)),
        key,
        value,
      ),
    );
    yield Buffer.concat(frames);
  }
  const before = crc;
  yield frame('e', int32(before));
}

/** Reads a snapshot into batches for an empty engine. Throws `DamagedSnapshotError`; then nothing may be kept. */
export async function* readSnapshot(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Batch> {
  let revision: bigint | undefined;
  let batch = new Loading();
  let isWhole = false;
  for await (const { kind, body } of frames(chunks)) {
    if (isWhole) throw new DamagedSnapshotError('it goes on after its end');
    if (kind === 'r') revision = body.readBigInt64BE(0);
    if (revision === undefined) throw new DamagedSnapshotError('it does not begin with its revision');
    if (kind === 'l') batch.leases.set(body.readBigInt64BE(0), leaseOf(body));
    else if (kind === 'm') {
      const end = 4 + body.readUInt32BE(0);
      batch.meta.set(body.toString('utf8', 4, end), body.subarray(end));
    } else if (kind === 'k') batch.addKey(body);
    else if (kind === 'e') isWhole = true;
    if (!isWhole && batch.bytes < 4 << 20) continue;
    yield batch.finish(revision);
    batch = new Loading();
  }
  if (!isWhole) throw new DamagedSnapshotError('it ends too early');
}

class Loading {
  readonly leases = new Map<bigint, LeaseRecord>();
  readonly meta = new Map<string, Buffer>();
  readonly events: Batch['events'][number][] = [];
  bytes = 0;

  addKey(body: Buffer): void {
    const end = keyHeaderBytes + Number(body.readBigInt64BE(32));
    const kv = {
      createRevision: body.readBigInt64BE(0),
      modRevision: body.readBigInt64BE(8),
      version: body.readBigInt64BE(16),
      lease: body.readBigInt64BE(24),
      key: body.subarray(keyHeaderBytes, end),
      value: body.subarray(end),
    };
    this.events.push({ type: 'PUT', kv, prevKv: undefined });
    this.bytes += body.length;
  }

  finish(revision: bigint): Batch {
    const { leases, meta, events } = this;
    return { since: 1n, revision, compactRevision: revision, events, leases, meta, withoutHistory: true };
  }
}

async function* frames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<{ kind: string; body: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  let crc: number | undefined;
  for await (const chunk of chunks) {
    rest = rest.length ? Buffer.concat([rest, chunk]) : Buffer.from(chunk);
    if (crc === undefined) {
      if (rest.length < magic.length) continue;
      if (!rest.subarray(0, magic.length).equals(magic)) throw new DamagedSnapshotError('it begins as none does');
      crc = crc32c(magic);
      rest = rest.subarray(magic.length);
    }
    for (;;) {
      const end = rest.length < 4 ? Number.POSITIVE_INFINITY : 4 + rest.readUInt32BE(0);
      if (rest.length < end) break;
      const frame = rest.subarray(0, end);
      const kind = frame.toString('latin1', 4, 5);
      const body = frame.subarray(5);
      if (kind === 'e' && (body.length !== 4 || body.readUInt32BE(0) !== crc)) {
        throw new DamagedSnapshotError('its checksum is not that of its contents');
      }
      crc = crc32c(frame, crc);
      rest = rest.subarray(end);
      yield { kind, body };
    }
  }
  if (rest.length || crc === undefined) throw new DamagedSnapshotError('it ends in the middle');
}

function leaseOf(body: Buffer): LeaseRecord {
  return { id: body.readBigInt64BE(0), ttl: body.readBigInt64BE(8), remainingMs: Number(body.readBigInt64BE(16)) };
}

function int64(number: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(number);
  return bytes;
}

function int32(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(number);
  return bytes;
}
