import { Buffer } from 'node:buffer';
import { KvError } from '../kv-error.ts';

/** Reads protobuf's primitives, one after the other; whatever is not well formed is refused. */
export class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** A number that has 32 bits: tags, lengths, enums, booleans. */
  varint32(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('a number is too long');
  }

  /** A number of 64 bits, as it is without a sign. */
  uint64(): bigint {
    let low = 0;
    let factor = 1;
    // Seven bytes fit into the 53 bits of a number; most numbers are shorter.
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte();
      low += (byte & 0x7f) * factor;
      if (byte < 0x80) return BigInt(low);
      factor *= 0x80;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed('a number is too long');
  }

  /** The end of a part whose length comes first. */
  end(): number {
    const length = this.varint32();
    const end = this.at + length;
    if (end > this.#bytes.length) throw malformed('unexpected EOF');
    return end;
  }

  /** A copy: what is kept of a request must not keep the packets that it came in. */
  bytes(): Buffer {
    const end = this.end();
    const value = Buffer.from(this.#bytes.subarray(this.at, end));
    this.at = end;
    return value;
  }

  string(): string {
    const end = this.end();
    const value = this.#bytes.toString('utf8', this.at, end);
    this.at = end;
    return value;
  }

  /** Passes over a field that is not known. */
  skip(wireType: number): void {
    if (wireType === 0) this.uint64();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.at = this.end();
    else if (wireType === 5) this.at += 4;
    else throw malformed(`illegal wire type ${wireType}`);
    if (this.at > this.#bytes.length) throw malformed('unexpected EOF');
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw malformed('unexpected EOF');
    return byte;
  }
}

/** What Go's gRPC answers to bytes that are no message. */
export const malformed = (why: string): KvError =>
  new KvError('Internal', `grpc: error unmarshalling request: proto: ${why}`);
