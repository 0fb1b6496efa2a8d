import { randomBytes } from 'node:crypto';
import type { Clock } from '../../time/clock.ts';
import type { MaybePromise, StoredBytes } from './engine.ts';
import { Journal, type JournalShape } from './journal.ts';
import { type RecordedWrite, valueIn, writesIn } from './journal-record.ts';
import { overlaid } from './overlaid.ts';
import { journalKey } from './rows.ts';
import { keyOf, SortedCells } from './sorted-cells.ts';
import type { Entry, SortedRangeOptions, SortedStore, Write } from './sorted-store.ts';

/** Large enough that what is written again and again goes beneath once; small enough to be read in no time. */
const defaultSegmentBytes = 4 << 20;
// What goes beneath at once: so much that syncs are few, so little that nobody notices the time that it takes.
const foldRows = 2000;
const foldBytes = 2 << 20;
/** What a cell takes beside its bytes, in the store beneath. */
const rowOverheadBytes = 16;
const beginning = Buffer.alloc(0);
const end = Buffer.from([0xff]);
const noValue = Buffer.alloc(0);

/** How the store beneath and its journal belong together. Kept beneath. */
interface Mark extends JournalShape {
  /** The newest batch of which everything is beneath. */
  readonly applied: number;
}

/**
 * Makes the batches of a store durable by one append to a journal, and keeps them in memory, over what the store beneath
 * has. When a segment of the journal is full, what it holds is written beneath page by page, while the other one takes
 * what comes. Nobody sees pages of a half written fold: the memory has all of it until it is done, and after a crash the
 * journal brings it back.
 */
export class JournaledStore implements SortedStore {
  readonly maxKeyBytes: number;
  readonly #base: SortedStore;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  /** What is not beneath yet. */
  readonly #newer = new SortedCells<RecordedWrite>();
  #newerBytes = 0;
  #mark: Mark | undefined;
  /** Made with the first batch: to open a store takes no room on the disk. */
  #journal: Journal | undefined;
  /** In the journal, but not seen by readers yet. */
  #arrived: Buffer | undefined;
  #folding: Promise<void> | undefined;
  #foldFailed = false;

  constructor(base: SortedStore, directory: string, clock: Clock, segmentBytes = defaultSegmentBytes) {
    this.maxKeyBytes = base.maxKeyBytes;
    this.#base = base;
    this.#directory = directory;
    this.#clock = clock;
    this.#segmentBytes = segmentBytes;
    const mark = base.get(journalKey);
    if (!mark) return;
    this.#mark = decodeMark(mark);
    const { journal, batches } = Journal.open(directory, this.#mark, this.#mark.applied, clock);
    this.#journal = journal;
    for (const { record } of batches) this.#overlay(record);
  }

  get(key: Buffer): Buffer | undefined {
    const newer = this.#newer.get(key);
    return newer ? valueIn(newer) : this.#base.get(key);
  }

  range(from: Buffer, to: Buffer, options: SortedRangeOptions = {}): Iterable<Entry> {
    if (this.#newer.count(from, to) === 0) return this.#base.range(from, to, options);
    const { reverse = false } = options;
    return overlaid(this.#writes(from, to, reverse), this.#base.range(from, to, { reverse }), options);
  }

  *keys(from: Buffer, to: Buffer): Iterable<Buffer> {
    if (this.#newer.count(from, to) === 0) yield* this.#base.keys(from, to);
    else for (const { key } of overlaid(this.#writes(from, to), valueless(this.#base.keys(from, to)))) yield key;
  }

  count(from: Buffer, to: Buffer): number {
    let count = this.#base.count(from, to);
    for (const { key, value } of this.#writes(from, to)) count += (value ? 1 : 0) - (this.#base.get(key) ? 1 : 0);
    return count;
  }

  commit(writes: readonly Write[]): MaybePromise<void> {
    const journal = this.#journal;
    this.#arrived = undefined;
    // As long as nothing can be written beneath, the journal must not fill with what is going to be stuck in it.
    if (!journal || this.#foldFailed) return this.#prepare().then(() => this.commit(writes));
    if (!journal.takes(writes)) return this.#commitBeneath(writes);
    const record = journal.encode(writes);
    if (!journal.hasRoomFor(record)) return this.#turn(journal).then(() => this.commit(writes));
    this.#arrived = record;
    return journal.append(record);
  }

  refresh(): void {
    if (this.#arrived) this.#overlay(this.#arrived);
    else this.#base.refresh();
    this.#arrived = undefined;
  }

  size(): StoredBytes {
    const { total, inUse } = this.#base.size();
    return { total: total + this.#newerBytes, inUse: inUse + this.#newerBytes };
  }

  /** Writes beneath all that is not there yet. */
  async settle(): Promise<void> {
    // The fold that is under way may have begun before the newest batches.
    while (this.#mark && this.#journal && this.#mark.applied < this.#journal.sequence) await this.#fold();
  }

  async defragment(): Promise<void> {
    await this.settle();
    await this.#base.defragment();
  }

  async close(): Promise<void> {
    // Where it cannot be written beneath, the journal has it.
    await this.settle().catch(() => {});
    this.#journal?.close();
    await this.#base.close();
  }

  /** What newer batches wrote in a range. */
  *#writes(from: Buffer, to: Buffer, reverse = false): Generator<Write, undefined> {
    const cells = reverse ? this.#newer.backward(from, to) : this.#newer.forward(from, to);
    for (const cell of cells) yield { key: keyOf(cell), value: valueIn(cell) };
  }

  #overlay(record: Buffer): void {
    for (const write of writesIn(record)) {
      const before = this.#newer.set(write);
      this.#newerBytes += bytesOf(write) - (before ? bytesOf(before) : 0);
    }
  }

  async #prepare(): Promise<void> {
    if (this.#journal) return this.#fold();
    const shape = { segmentBytes: this.#segmentBytes, salt: randomBytes(4).readUInt32BE() };
    const journal = await Journal.create(this.#directory, shape, this.#clock);
    await this.#applied({ ...shape, applied: 0 }, []);
    this.#journal = journal;
  }

  /** A batch that is larger than a segment needs no journal: to sync it is the least of the work. */
  async #commitBeneath(writes: readonly Write[]): Promise<void> {
    await this.settle();
    await this.#base.commit(writes);
  }

  async #turn(journal: Journal): Promise<void> {
    while (this.#mark && journal.overwrittenByTurn > this.#mark.applied) await this.#fold();
    journal.turn();
    this.#fold().catch(() => {
      // The next commit tries again, and tells.
    });
  }

  /** Writes beneath what is not there when it begins. */
  #fold(): Promise<void> {
    this.#folding ??= this.#foldAll()
      .then(
        () => {
          this.#foldFailed = false;
        },
        (error: unknown) => {
          this.#foldFailed = true;
          throw error;
        },
      )
      .finally(() => {
        this.#folding = undefined;
      });
    return this.#folding;
  }

  async #foldAll(): Promise<void> {
    const [mark, journal] = [this.#mark, this.#journal];
    if (!mark || !journal || mark.applied === journal.sequence) return;
    const through = journal.sequence;
    let page = this.#page(beginning, through);
    while (page.next) {
      await this.#base.commit(page.writes);
      this.#base.refresh();
      page = this.#page(page.next, through);
    }
    await this.#applied({ ...mark, applied: through }, page.writes);
    this.#newerBytes = 0;
    this.#newer.retain((newer) => {
      if (newer.sequence <= through) return false;
      this.#newerBytes += bytesOf(newer);
      return true;
    });
  }

  /** Part of what batches up to one have written and no later one has written again. */
  #page(from: Buffer, through: number): { readonly writes: Write[]; readonly next: Buffer | undefined } {
    const writes: Write[] = [];
    let bytes = 0;
    for (const newer of this.#newer.forward(from, end)) {
      if (writes.length === foldRows || bytes >= foldBytes) return { writes, next: keyOf(newer) };
      if (newer.sequence > through) continue;
      writes.push({ key: keyOf(newer), value: valueIn(newer) });
      bytes += bytesOf(newer);
    }
    return { writes, next: undefined };
  }

  async #applied(mark: Mark, writes: readonly Write[]): Promise<void> {
    await this.#base.commit([...writes, { key: journalKey, value: encodeMark(mark) }]);
    this.#base.refresh();
    this.#mark = mark;
  }
}

function bytesOf({ text, valueAt, end }: RecordedWrite): number {
  return text.length + end - valueAt + rowOverheadBytes;
}

function* valueless(keys: Iterable<Buffer>): Iterable<Entry> {
  for (const key of keys) yield { key, value: noValue };
}

function encodeMark({ applied, segmentBytes, salt }: Mark): Buffer {
  const row = Buffer.allocUnsafe(14);
  row.writeUIntBE(applied, 0, 6);
  row.writeUInt32BE(segmentBytes, 6);
  row.writeUInt32BE(salt, 10);
  return row;
}

function decodeMark(row: Buffer): Mark {
  return { applied: row.readUIntBE(0, 6), segmentBytes: row.readUInt32BE(6), salt: row.readUInt32BE(10) };
}
