import { createHash } from 'node:crypto';
import { KvError } from '../kv-error.ts';

/**
 * The file that `etcdctl snapshot save` writes: what the backend gives, filled up to a block of 512 bytes, a block that
 * says how long it was, and the SHA-256 of all of that. etcdctl takes nothing for a snapshot that has another length
 * than blocks and a checksum.
 */

const blockBytes = 512;
const magic = 'pgherd kv snapshot 1\n';

/** Frames chunks as they pass. */
export async function* framed(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
  const last = Buffer.alloc(((blockBytes - (bytes % blockBytes)) % blockBytes) + blockBytes);
  last.write(`${magic}${bytes}\n`, last.length - blockBytes);
  hash.update(last);
  yield last;
  yield hash.digest();
}

/** Takes the frame off again; fails at the end when the file is not what was written. */
export async function* unframed(file: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const hash = createHash('sha256');
  const tailBytes = 2 * blockBytes + 32;
  let tail = Buffer.alloc(0);
  let passed = 0;
  for await (const chunk of file) {
    const all = Buffer.concat([tail, chunk]);
    const ready = all.length - tailBytes;
    if (ready <= 0) {
      tail = all;
      continue;
    }
    const head = all.subarray(0, ready);
    hash.update(head);
    passed += head.length;
    yield head;
    tail = Buffer.from(all.subarray(ready));
  }
  const end = tail.length - 32;
  const length = end >= blockBytes ? lengthIn(tail.subarray(end - blockBytes, end)) : undefined;
  if (length === undefined) throw new KvError('InvalidArgument', 'the file is not a snapshot of `pgherd kv`');
  const sum = hash.update(tail.subarray(0, end)).digest();
  if (!sum.equals(tail.subarray(end)))
    throw new KvError('InvalidArgument', 'the snapshot is damaged: its checksum is another');
  yield tail.subarray(0, length - passed);
}

function lengthIn(block: Buffer): number | undefined {
  const match = /^pgherd kv snapshot 1\n(\d+)\n/.exec(block.toString('latin1'));
  return match ? Number(match[1]) : undefined;
}
