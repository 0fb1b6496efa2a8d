const slabBytes = 64 << 10;
/** What is longer comes in an allocation of its own. */
const sharedBytes = 8 << 10;
// Below, a loop is faster than a call of the runtime.
const longEnoughForSet = 48;

/** Copies bytes that somebody is going to overwrite: many copies in one allocation, which takes longer than copying. */
export class Slab {
  #slab = Buffer.alloc(0);
  #at = 0;

  copy(source: Buffer, start: number, end: number): Buffer {
    const length = end - start;
    if (length > sharedBytes) return Buffer.from(new Uint8Array(source.buffer, source.byteOffset + start, length));
    if (this.#at + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(slabBytes);
      this.#at = 0;
    }
    const copy = this.#slab.subarray(this.#at, this.#at + length);
    this.#at += length;
    // Not with `copy`: the package's own buffer says that it is as long as the row, which Node does not believe.
    if (length > longEnoughForSet) copy.set(new Uint8Array(source.buffer, source.byteOffset + start, length));
    else for (let i = 0; i < length; i += 1) copy[i] = source[start + i] as number;
    return copy;
  }
}
