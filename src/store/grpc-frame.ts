const headerBytes = 5;

/** A message as gRPC sends it: a byte 0 for "not compressed", its length, itself. */
export function frame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(headerBytes + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, headerBytes);
  return framed;
}

/** Puts messages together from chunks that know nothing of their borders. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Length of the message that has begun, 0 when that is not known yet. */
  expectedBytes = 0;

  /** Takes a chunk, returns the messages that are complete with it. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Buffer[] = [];
    // A large message comes in many chunks: they are joined once, when all of it is here.
    while (this.#bytes >= headerBytes + this.expectedBytes) {
      const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
      this.expectedBytes = all.readUInt32BE(1);
      const end = headerBytes + this.expectedBytes;
      this.#chunks = [all];
      if (this.#bytes < end) break;
      messages.push(all.subarray(headerBytes, end));
      this.#chunks = [all.subarray(end)];
      this.#bytes -= end;
      this.expectedBytes = 0;
    }
    return messages;
  }
}
