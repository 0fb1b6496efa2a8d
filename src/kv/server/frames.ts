import { KvError } from '../kv-error.ts';

const headerBytes = 5;

/** As etcd: requests of 1.5 MiB, and room for what surrounds them. */
export const maxMessageBytes = 2 * 1024 * 1024;

/** Puts the messages of a gRPC call together from chunks that know nothing of their borders. */
export class Frames {
  #chunks: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next message, if all of it is here; refuses one that is too large as soon as its length is known. */
  next(): Buffer | undefined {
    if (this.#bytes < headerBytes) return undefined;
    const header = this.#joined(headerBytes);
    if (header[0] !== 0) {
      throw new KvError('Unimplemented', 'grpc: messages are compressed, which this server does not support');
    }
    const length = header.readUInt32BE(1);
    if (length > maxMessageBytes) {
      throw new KvError(
        'ResourceExhausted',
        `grpc: received message larger than max (${length} vs. ${maxMessageBytes})`,
      );
    }
    const end = headerBytes + length;
    if (this.#bytes < end) return undefined;
    const all = this.#joined(end);
    this.#bytes -= end;
    this.#chunks[0] = all.subarray(end);
    if (this.#bytes === 0) this.#chunks = [];
    return all.subarray(headerBytes, end);
  }

  /** The first chunk, made so large by joining it with others. */
  #joined(bytes: number): Buffer {
    const first = this.#chunks[0] as Buffer;
    if (first.length >= bytes) return first;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}
