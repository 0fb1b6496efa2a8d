import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { DataDirectory } from '../../../../src/cell/runtime/process/data-directory.ts';
import { FakeClock } from '../../../fixtures/fake-clock.ts';

describe('DataDirectory', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'pgherd-data-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it('keeps what was put aside for as long as asked, and what somebody else put there for ever', async () => {
    const clock = new FakeClock();
    const directory = new DataDirectory(path, clock);
    await mkdir(join(await directory.trash('f1-aaaaaa'), 'pg'), { recursive: true });
    await mkdir(join(path, 'trash', 'mine'));
    await clock.advance(60_000);
    await mkdir(await directory.trash('f1-bbbbbb'));
    expect(await directory.emptyTrash(60_000)).to.equal(0);
    await clock.advance(1);
    expect(await directory.emptyTrash(60_000)).to.equal(1);
    const left = (await readdir(join(path, 'trash'))).sort();
    expect(left.map((name) => name.slice(0, 9))).to.deep.equal(['f1-bbbbbb', 'mine']);
  });

  it('keeps what cannot be deleted yet, and deletes the rest', async () => {
    const clock = new FakeClock();
    const directory = new DataDirectory(path, clock);
    for (const node of ['f1-aaaaaa', 'f1-bbbbbb']) await mkdir(await directory.trash(node));
    await clock.advance(2);
    const inUse = async (note: string) => {
      if (note.includes('f1-aaaaaa')) throw new Error('volume is in use');
    };
    expect(await directory.emptyTrash(1, inUse)).to.equal(1);
    expect(await directory.emptyTrash(1)).to.equal(1);
  });

  it('has an empty trash before anything was put aside', async () => {
    expect(await new DataDirectory(path, new FakeClock()).emptyTrash(0)).to.equal(0);
  });
});
