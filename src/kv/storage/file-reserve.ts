import { closeSync, fstatSync, ftruncateSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';

const writeAt = promisify(write);
const stepBytes = 16 << 20;
const zeros = Buffer.alloc(1 << 20);

/**
 * Room on the disk that a file already has beyond what is in use of it. A database that writes only there cannot run
 * out of disk in the middle of a commit: a full disk is found out here, before anything was changed. And writing over
 * what is there is faster to sync than growing.
 */
export class FileReserve {
  readonly #file: number;
  #bytes: number;

  constructor(path: string) {
    this.#file = openSync(path, 'r+');
    this.#bytes = fstatSync(this.#file).size;
  }

  /** Length of the file. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes the file at least so long. Nobody else may be writing beyond its end. Throws ENOSPC, and then gives back. */
  async ensure(bytes: number): Promise<void> {
    if (bytes <= this.#bytes) return;
    // What the database has written beyond, if it ever does, is never overwritten.
    const from = fstatSync(this.#file).size;
    if (await this.#fill(from, Math.ceil(bytes / stepBytes) * stepBytes).catch(() => false)) return;
    // There may be room for what is needed, if not for more.
    await this.#fill(from, bytes);
  }

  close(): void {
    closeSync(this.#file);
  }

  async #fill(from: number, to: number): Promise<true> {
    try {
      for (let at = from; at < to; ) {
        const { bytesWritten } = await writeAt(this.#file, zeros, 0, Math.min(zeros.length, to - at), at);
        at += bytesWritten;
      }
      this.#bytes = to;
      return true;
    } catch (error) {
      ftruncateSync(this.#file, from);
      throw error;
    }
  }
}
