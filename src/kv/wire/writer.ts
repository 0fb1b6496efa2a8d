import { Buffer } from 'node:buffer';

// Below, a loop is faster than a call of the runtime.
const longEnoughForSet = 48;

/**
 * Writes a protobuf message from its end to its beginning: the length of what is inside is known when it has to be
 * written, so that nothing is measured first or moved afterwards.
 */
export class Writer {
  #buffer: Buffer;
  #at: number;

  constructor(expectedBytes = 256) {
    this.#buffer = Buffer.allocUnsafe(expectedBytes);
    this.#at = expectedBytes;
  }

  /** How much has been written. */
  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** All that was written; nothing may be written afterwards. */
  finish(): Buffer {
    return this.#buffer.subarray(this.#at);
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (value < 0x80) {
      this.#room(1);
      this.#buffer[--this.#at] = value;
      return;
    }
    this.#room(8);
    const buffer = this.#buffer;
    this.#at -= varintBytes(value);
    let at = this.#at;
    let rest = value;
    // Division, because a shift would cut the number to 32 bits.
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80)) buffer[at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
    buffer[at] = rest;
  }

  /** A whole number of 64 bits, signed or not. */
  int64(value: bigint): void {
    if (value >= 0n && value <= 0x1f_ffff_ffff_ffffn) {
      this.varint(Number(value));
      return;
    }
    const bits = BigInt.asUintN(64, value);
    const bytes: number[] = [];
    let rest = bits;
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.#room(bytes.length);
    this.#at -= bytes.length;
    for (let i = 0; i < bytes.length; i++) this.#buffer[this.#at + i] = bytes[i] as number;
  }

  /** Bytes from a place on to their end. */
  bytes(value: Buffer, from = 0): void {
    const length = value.length - from;
    this.#room(length);
    this.#at -= length;
    if (length > longEnoughForSet) {
      const part = from === 0 ? value : new Uint8Array(value.buffer, value.byteOffset + from, length);
      this.#buffer.set(part, this.#at);
    } else for (let i = 0; i < length; i++) this.#buffer[this.#at + i] = value[from + i] as number;
  }

  string(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.#room(bytes);
    this.#at -= bytes;
    this.#buffer.write(value, this.#at);
  }

  uint32BE(value: number): void {
    this.#room(4);
    this.#at -= 4;
    this.#buffer.writeUInt32BE(value, this.#at);
  }

  #room(bytes: number): void {
    if (bytes <= this.#at) return;
    const used = this.length;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, used + bytes + 64));
    this.#buffer.copy(grown, grown.length - used, this.#at);
    this.#buffer = grown;
    this.#at = grown.length - used;
  }
}

function varintBytes(value: number): number {
  if (value < 0x4000) return value < 0x80 ? 1 : 2;
  if (value < 0x1000_0000) return value < 0x20_0000 ? 3 : 4;
  let bytes = 5;
  for (let limit = 0x8_0000_0000; value >= limit; limit *= 0x80) bytes += 1;
  return bytes;
}
