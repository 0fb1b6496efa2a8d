import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Clock } from '../../time/clock.ts';
import { DamagedStoreError } from './damaged-store-error.ts';
import type { MaybePromise } from './engine.ts';
import { aligned, encodeRecord, type FoundRecord, recordBytes, recordsIn } from './journal-record.ts';
import type { Write } from './sorted-store.ts';
import { syncDirectory } from './sync-directory.ts';

const syncData = promisify(fdatasync);
const zeros = Buffer.alloc(1 << 20);
/** Up to this, waiting for the disk takes less time than handing the wait over to a thread and back. */
const worthWaitingMs = 1;

/** What has to be known to read a journal. */
export interface JournalShape {
  readonly segmentBytes: number;
  /** 32 bits that no client knows: see `journal-record.ts`. */
  readonly salt: number;
}

interface Segment {
  readonly file: number;
  /** Where its next record goes. */
  end: number;
  /** Sequence number of its last record. */
  last: number;
}

/**
 * The newest batches, in two files that take turns. Both are filled with zeros when they are made: overwriting takes one
 * write of the device, where a file that grows takes more of them for its new length and blocks.
 */
export class Journal {
  readonly #shape: JournalShape;
  readonly #clock: Clock;
  #active: Segment;
  #resting: Segment;
  #sequence: number;
  /** How long the last syncs have taken; the very last one counts for a tenth. */
  #syncMs = 0;
  #failure: Error | undefined;

  private constructor(shape: JournalShape, clock: Clock, active: Segment, resting: Segment, sequence: number) {
    this.#shape = shape;
    this.#clock = clock;
    this.#active = active;
    this.#resting = resting;
    this.#sequence = sequence;
  }

  /** Makes the files. Those of an attempt before are overwritten. */
  static async create(directory: string, shape: JournalShape, clock: Clock): Promise<Journal> {
    const paths = pathsIn(directory);
    try {
      for (const path of paths) await fill(path, shape.segmentBytes);
      await syncDirectory(directory);
    } catch (error) {
      // Others may need the room more.
      for (const path of paths) await rm(path, { force: true });
      throw error;
    }
    return Journal.open(directory, shape, 0, clock).journal;
  }

  /**
   * Opens the files and reads the batches after `applied`. If the last one is not whole, power failed while it was
   * written, and nobody was told of it: it is as if it had never been. If another one is not, the journal is damaged.
   */
  static open(
    directory: string,
    shape: JournalShape,
    applied: number,
    clock: Clock,
  ): { readonly journal: Journal; readonly batches: readonly FoundRecord[] } {
    const batches: FoundRecord[] = [];
    const [first, second] = pathsIn(directory).map((path) => {
      const segment: Segment = { file: openSegment(path), end: 0, last: 0 };
      const bytes = readFileSync(segment.file);
      if (bytes.length < shape.segmentBytes) {
        throw new DamagedStoreError(path, `it has ${bytes.length} bytes of ${shape.segmentBytes}`);
      }
      for (const found of recordsIn(bytes, shape.salt)) {
        if (found.sequence <= applied) continue;
        batches.push(found);
        segment.end = found.end;
        segment.last = found.sequence;
      }
      // After kill -9, the kernel may be the only one to have it; readers will be told of it.
      fdatasyncSync(segment.file);
      return segment;
    }) as [Segment, Segment];
    batches.sort((a, b) => a.sequence - b.sequence);
    for (const [index, { sequence }] of batches.entries()) {
      const expected = applied + 1 + index;
      if (sequence === expected) continue;
      throw new DamagedStoreError(join(directory, 'journal'), `batch ${expected} cannot be read, and later ones can`);
    }
    const [active, resting] = second.last > first.last ? [second, first] : [first, second];
    return { journal: new Journal(shape, clock, active, resting, applied + batches.length), batches };
  }

  /** Number of the newest batch. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Up to which batch all must have been applied before the segments may take turns. */
  get overwrittenByTurn(): number {
    return this.#resting.last;
  }

  /** Whether a batch fits into a segment. */
  takes(writes: readonly Write[]): boolean {
    return recordBytes(writes) <= this.#shape.segmentBytes;
  }

  /** The next batch as a record. */
  encode(writes: readonly Write[]): Buffer {
    return encodeRecord(this.#shape.salt, this.#sequence + 1, writes);
  }

  hasRoomFor({ length }: Buffer): boolean {
    return this.#active.end + length <= this.#shape.segmentBytes;
  }

  /** Goes on in the other segment. */
  turn(): void {
    [this.#active, this.#resting] = [this.#resting, this.#active];
    this.#active.end = 0;
  }

  /** Durable when it is done. What comes after a failed attempt takes its place. */
  append(record: Buffer): MaybePromise<void> {
    if (this.#failure) throw this.#failure;
    const segment = this.#active;
    for (let done = 0; done < record.length; ) {
      done += writeSync(segment.file, record, done, record.length - done, segment.end + done);
    }
    const beganMs = this.#clock.monotonic();
    const written = () => {
      this.#syncMs += (this.#clock.monotonic() - beganMs - this.#syncMs) / 10;
      this.#sequence += 1;
      segment.last = this.#sequence;
      segment.end = aligned(segment.end + record.length);
    };
    if (this.#syncMs > worthWaitingMs) return syncData(segment.file).then(written, (error) => this.#fail(error));
    try {
      fdatasyncSync(segment.file);
    } catch (error) {
      this.#fail(error);
    }
    written();
  }

  close(): void {
    closeSync(this.#active.file);
    closeSync(this.#resting.file);
  }

  /** Whether it is on the disk is not known, and the kernel says so only once: nothing may be built on it. */
  #fail(error: unknown): never {
    this.#failure = new Error(`the journal can no longer be written to: ${String(error)}`, { cause: error });
    throw this.#failure;
  }
}

function pathsIn(directory: string): [string, string] {
  return [join(directory, 'journal.0'), join(directory, 'journal.1')];
}

async function fill(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    for (let at = 0; at < bytes; ) {
      at += (await file.write(zeros, 0, Math.min(zeros.length, bytes - at), at)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function openSegment(path: string): number {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new DamagedStoreError(path, 'it is missing');
    throw error;
  }
}
