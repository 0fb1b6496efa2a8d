import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { MaybePromise } from '../../../src/kv/storage/engine.ts';
import { encodeRecord } from '../../../src/kv/storage/journal-record.ts';
import { JournaledStore } from '../../../src/kv/storage/journaled-store.ts';
import { MemoryStore } from '../../../src/kv/storage/memory.ts';
import { journalKey } from '../../../src/kv/storage/rows.ts';
import type { SortedStore, Write } from '../../../src/kv/storage/sorted-store.ts';
import { systemClock } from '../../../src/time/clock.ts';

const segmentBytes = 8192;
const [lowest, highest] = [Buffer.from('k'), Buffer.from('l')];

const put = (key: string, value: string): Write => ({ key: Buffer.from(`k${key}`), value: Buffer.from(value) });

/** What a crash leaves: the files as they are, and the store beneath. */
interface Wreck {
  readonly segments: readonly Buffer[];
  readonly base: MemoryStore;
}

describe('JournaledStore', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pgherd-journal-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const paths = () => ['journal.0', 'journal.1'].map((name) => join(directory, name));

  const commit = async (store: SortedStore, ...writes: Write[]) => {
    await store.commit(writes);
    store.refresh();
  };

  /** The contents, and that all ways to read agree on them. */
  const contents = (store: SortedStore): string[] => {
    const entries = [...store.range(lowest, highest)].map(({ key, value }) => `${key.toString('latin1', 1)}=${value}`);
    expect(store.count(lowest, highest)).to.equal(entries.length);
    expect([...store.keys(lowest, highest)].length).to.equal(entries.length);
    return entries;
  };

  const wreckOf = (base: SortedStore): Wreck => ({
    segments: paths().map((path) => readFileSync(path)),
    base: copy(base),
  });

  /** Opens what a crash left, looks at it, and leaves the wreck as it was. */
  const salvage = async <T>(
    { segments, base }: Wreck,
    look: (store: JournaledStore, beneath: MemoryStore) => T | Promise<T>,
  ): Promise<T> => {
    for (const [index, path] of paths().entries()) writeFileSync(path, segments[index] as Buffer);
    const beneath = copy(base);
    const store = new JournaledStore(beneath, directory, systemClock, segmentBytes);
    try {
      return await look(store, beneath);
    } finally {
      await store.close();
    }
  };

  /** A wreck with batches that are in the journal only. */
  const wreckWith = async (...batches: Write[][]): Promise<Wreck & { readonly before: readonly Buffer[] }> => {
    const base = new MemoryStore();
    const store = new JournaledStore(base, directory, systemClock, segmentBytes);
    let before: Buffer[] = [];
    for (const batch of batches) {
      before = paths().map((path) => readFileSync(path, { flag: 'a+' }));
      await commit(store, ...batch);
    }
    const wreck = { ...wreckOf(base), before };
    await store.close();
    return wreck;
  };

  it('has what was answered and is not beneath, after a crash', async () => {
    const wreck = await wreckWith([put('a', '1'), put('b', '1')], [put('a', '2')], [remove('b'), put('c', '')]);
    expect(contents(wreck.base)).to.deep.equal([]);
    expect(await salvage(wreck, contents)).to.deep.equal(['a=2', 'c=']);
  });

  it('shows nobody a batch before it is told to', async () => {
    const store = new JournaledStore(new MemoryStore(), directory, systemClock, segmentBytes);
    await store.commit([put('a', '1')]);
    expect(contents(store)).to.deep.equal([]);
    store.refresh();
    expect(contents(store)).to.deep.equal(['a=1']);
    await store.close();
  });

  it('cuts a last batch off that was torn at any byte, whatever is in the place of the rest', async () => {
    const wreck = await wreckWith([put('a', '1')], [put('b', 'answered')], [put('b', 'torn'), put('c', 'torn')]);
    const [whole = Buffer.of(), before = Buffer.of()] = [wreck.segments[0], wreck.before[0]];
    const begin = firstDifference(whole, before);
    const end = lastDifference(whole, before) + 1;
    expect(end - begin).to.be.above(30);
    for (let cut = begin; cut < end; cut += 1) {
      for (const rest of [before.subarray(cut), Buffer.alloc(segmentBytes - cut, 0xa5)]) {
        const torn = Buffer.concat([whole.subarray(0, cut), rest]);
        if (torn.equals(whole)) continue;
        const segments = [torn, wreck.segments[1] as Buffer];
        const again = await salvage({ segments, base: wreck.base }, async (store, beneath) => {
          expect(contents(store), `cut at ${cut}`).to.deep.equal(['a=1', 'b=answered']);
          await commit(store, put('d', 'after'));
          return wreckOf(beneath);
        });
        expect(await salvage(again, contents)).to.deep.equal(['a=1', 'b=answered', 'd=after']);
      }
    }
  });

  it('refuses a journal in which any byte changed of what came before the last batch', async () => {
    const wreck = await wreckWith([put('a', '1')], [put('b', '2')], [put('c', '3')]);
    const [whole = Buffer.of()] = wreck.segments;
    const second = whole.indexOf('kb') - 24;
    for (let at = second; at < second + 27; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x10;
      const error = await refusal({ segments: [changed, wreck.segments[1] as Buffer], base: wreck.base });
      expect(error, `byte ${at}`).to.match(/journal is damaged: batch 2 cannot be read, and later ones can/);
    }
  });

  it('refuses a journal of which a file is missing or cut off', async () => {
    const wreck = await wreckWith([put('a', '1')], [put('b', '2')]);
    const [first = ''] = paths();
    truncateSync(first, 5000);
    expect(open(copy(wreck.base))).to.match(/journal\.0 is damaged: it has 5000 bytes of 8192/);
    rmSync(first);
    expect(open(copy(wreck.base))).to.match(/journal\.0 is damaged: it is missing/);
  });

  const open = (base: MemoryStore): string => {
    try {
      new JournaledStore(base, directory, systemClock, segmentBytes);
      return 'opened';
    } catch (error) {
      return String(error);
    }
  };
  const refusal = async ({ segments, base }: Wreck): Promise<string> => {
    for (const [index, path] of paths().entries()) writeFileSync(path, segments[index] as Buffer);
    return open(copy(base));
  };

  it('takes no record for one that a client hid in a value', async () => {
    // The value of the second batch begins 26 bytes after its place; from there it reaches to where records may begin.
    const hide = (salt: number) => {
      const hidden = encodeRecord(salt, 2, [put('hidden', 'yes')]);
      return Buffer.concat([Buffer.alloc(512 - 26), hidden]);
    };
    // Batch 1 makes the journal; who could read its salt could forge.
    const afterTear = async (knowsSalt: boolean) => {
      const base = new MemoryStore();
      const store = new JournaledStore(base, directory, systemClock, segmentBytes);
      await commit(store, put('a', '1'));
      const salt = knowsSalt ? (base.get(journalKey)?.readUInt32BE(10) ?? 0) : 0;
      await commit(store, { key: Buffer.from('kb'), value: hide(salt) });
      const { segments } = wreckOf(base);
      await store.close();
      const [first = Buffer.of(), second = Buffer.of()] = segments;
      const torn = Buffer.from(first).fill(0, 512, 600);
      return salvage({ segments: [torn, second], base: withMark(base) }, contents);
    };
    const withMark = (base: MemoryStore) => {
      const mark = Buffer.from(base.get(journalKey) as Buffer);
      mark.writeUIntBE(0, 0, 6);
      const marked = new MemoryStore();
      marked.commit([{ key: journalKey, value: mark }]);
      return marked;
    };
    expect(await afterTear(false)).to.deep.equal(['a=1']);
    expect(await afterTear(true)).to.deep.equal(['a=1', 'hidden=yes']);
  });

  it('is the same whenever it is cut off while a segment goes beneath, and when that is read once more', async () => {
    const base = new Reluctant();
    const store = new JournaledStore(base, directory, systemClock, 1 << 20);
    const expected = new Map<string, string>();
    for (let n = 0; n < 30; n += 1) {
      const batch = Array.from({ length: 100 }, (_, i) => put(`${(n * 37 + i * 11) % 2500}`, `${n}`));
      for (const { key, value } of batch) expected.set(key.toString('latin1', 1), String(value));
      await commit(store, ...batch);
    }
    const all = [...expected].map(([key, value]) => `${key}=${value}`).sort();
    for (let pages = 0; ; pages += 1) {
      base.allow = pages;
      const error = await store.settle().catch((reason: Error) => reason);
      expect(contents(store).sort()).to.deep.equal(all);
      const wreck = wreckOf(base);
      expect((await salvage(wreck, contents)).sort(), `after ${pages} pages`).to.deep.equal(all);
      if (!error) break;
    }
    expect(contents(base).sort()).to.deep.equal(all);
    base.allow = Number.POSITIVE_INFINITY;
    await store.close();
  });

  it('takes nothing more while nothing can be written beneath, has what it took, and goes on afterwards', async () => {
    const base = new Reluctant();
    const store = new JournaledStore(base, directory, systemClock, segmentBytes);
    await commit(store, put('first', ''));
    base.allow = 0;
    let taken = 1;
    const fill = async () => {
      for (; taken < 100; taken += 1) await commit(store, put(`${taken}`, 'x'.repeat(1000)));
    };
    expect(String(await fill().catch((reason: Error) => reason))).to.contain('ENOSPC');
    expect(taken).to.be.within(5, 12);
    expect(contents(store).length).to.equal(taken);
    expect((await salvage(wreckOf(base), contents)).length).to.equal(taken);
    base.allow = Number.POSITIVE_INFINITY;
    await commit(store, put('last', ''));
    expect(contents(store).length).to.equal(taken + 1);
    await store.close();
    expect(contents(base).length).to.equal(taken + 1);
  });

  it('refuses a batch when its files cannot be made, leaves none behind, and makes them later', async () => {
    const [, second = ''] = paths();
    await mkdir(second);
    const store = new JournaledStore(new MemoryStore(), directory, systemClock, segmentBytes);
    const error = await Promise.resolve(store.commit([put('a', '1')])).catch((reason: Error) => reason);
    expect(String(error)).to.contain('EISDIR');
    rmSync(second, { recursive: true, force: true });
    expect(paths().map((path) => readable(path))).to.deep.equal([false, false]);
    expect(contents(store)).to.deep.equal([]);
    await commit(store, put('a', '1'));
    expect(contents(store)).to.deep.equal(['a=1']);
    await store.close();
  });

  it('hands syncs over to a thread when the disk is slow, so that readers are served meanwhile', async () => {
    let nowMs = 0;
    const monotonic = () => {
      nowMs += 20;
      return nowMs;
    };
    const store = new JournaledStore(new MemoryStore(), directory, { ...systemClock, monotonic }, segmentBytes);
    await commit(store, put('a', '1'));
    const slow = store.commit([put('a', '2')]);
    expect(slow).to.be.instanceOf(Promise);
    expect(contents(store)).to.deep.equal(['a=1']);
    await slow;
    store.refresh();
    expect(contents(store)).to.deep.equal(['a=2']);
    await store.close();
  });

  it('writes what is larger than a segment beneath at once, after what came before', async () => {
    const base = new MemoryStore();
    const store = new JournaledStore(base, directory, systemClock, segmentBytes);
    await commit(store, put('a', 'small'));
    await commit(store, put('a', 'x'.repeat(segmentBytes)), put('b', 'large'));
    expect(contents(base).map((line) => line.length)).to.deep.equal([segmentBytes + 2, 7]);
    await commit(store, put('a', 'small again'));
    const wreck = wreckOf(base);
    await store.close();
    expect(await salvage(wreck, contents)).to.deep.equal(['a=small again', 'b=large']);
  });

  it('puts what is larger than a segment over all that came before, also while a segment goes beneath', async () => {
    const base = new Gated();
    const store = new JournaledStore(base, directory, systemClock, segmentBytes);
    for (let n = 0; n < 5; n += 1) await commit(store, put('a', `${n}`.padEnd(1000)));
    const gate = new AbortController();
    base.opening = once(gate.signal, 'abort');
    await commit(store, put('a', 'in the next segment'.padEnd(1000)));
    const large = store.commit([put('a', 'newest'), put('b', 'x'.repeat(segmentBytes))]);
    gate.abort();
    await large;
    store.refresh();
    expect(store.get(Buffer.from('ka'))?.toString()).to.equal('newest');
    await store.close();
  });
});

const remove = (key: string): Write => ({ key: Buffer.from(`k${key}`), value: undefined });

function copy(store: SortedStore): MemoryStore {
  const copied = new MemoryStore();
  copied.commit([...store.range(Buffer.of(), Buffer.of(0xff))]);
  return copied;
}

function readable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

function firstDifference(a: Buffer, b: Buffer): number {
  return a.findIndex((byte, at) => byte !== b[at]);
}

function lastDifference(a: Buffer, b: Buffer): number {
  return a.findLastIndex((byte, at) => byte !== b[at]);
}

/** A store on a disk that has room for so many commits more; it never refuses to take the mark of a new journal. */
class Reluctant extends MemoryStore {
  allow = Number.POSITIVE_INFINITY;

  override commit(writes: readonly Write[]): void {
    if (this.allow <= 0) throw new Error('ENOSPC: no space left on device');
    if (this.get(journalKey)) this.allow -= 1;
    super.commit(writes);
  }
}

/** A store that takes nothing before something else has happened. */
class Gated extends MemoryStore {
  opening: Promise<unknown> = Promise.resolve();

  override commit(writes: readonly Write[]): MaybePromise<void> {
    return this.opening.then(() => super.commit(writes));
  }
}
