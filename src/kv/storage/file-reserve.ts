import { execFile } from 'node:child_process';
import { closeSync, fstatSync, ftruncateSync, openSync, write } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const writeAt = promisify(write);
const stepBytes = 16 << 20;
const zeros = Buffer.alloc(1 << 20);

/**
 * Room on the disk that a file already has beyond what is in use of it. A database that writes only there cannot run
 * out of disk in the middle of a commit: a full disk is found out here, before anything was changed.
 */
export class FileReserve {
  readonly #path: string;
  readonly #file: number;
  #bytes: number;

  constructor(path: string) {
    this.#path = path;
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
    const step = Math.max(stepBytes, bytes / 8);
    const generous = Math.ceil(bytes / step) * step;
    if ((await this.#allocate(from, generous)) || (await this.#allocate(from, bytes))) return;
    await this.#fill(from, bytes);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Without writing anything, by the program of util-linux: Node has no fallocate. */
  async #allocate(from: number, to: number): Promise<boolean> {
    const end = Math.ceil(to);
    const range = ['--offset', String(from), '--length', String(end - from)];
    const isDone = await run('fallocate', [...range, this.#path]).then(
      () => true,
      () => false,
    );
    const { size } = fstatSync(this.#file);
    if (isDone && size >= end) this.#bytes = size;
    else if (size > from) ftruncateSync(this.#file, from);
    return isDone && size >= end;
  }

  /** Where there is no such program, or the file system cannot: also says why there is no room. */
  async #fill(from: number, to: number): Promise<void> {
    try {
      for (let at = from; at < to; ) {
        const { bytesWritten } = await writeAt(this.#file, zeros, 0, Math.min(zeros.length, to - at), at);
        at += bytesWritten;
      }
      this.#bytes = to;
    } catch (error) {
      ftruncateSync(this.#file, from);
      throw error;
    }
  }
}
