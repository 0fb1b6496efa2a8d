import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';
import { StoreGuard } from '../../src/engine/store-guard.ts';
import type { Store } from '../../src/store/store.ts';

const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
const { signal } = new AbortController();

describe('StoreGuard', () => {
  let directory: string;
  let file: string;
  let restoration: { readonly value: string } | undefined;
  let identity: { clusterId: string; revision: bigint };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pgherd-guard-'));
    file = join(directory, 'store.json');
    restoration = undefined;
    identity = { clusterId: 'c1', revision: 100n };
  });
  afterEach(() => rm(directory, { recursive: true }));

  const guard = (at: string | undefined = file) =>
    new StoreGuard({
      store: { identity: async () => identity, get: async () => ({ kv: restoration }) } as unknown as Store,
      file: at,
      meanwhile: 'nothing is changed here',
      logger,
    });
  const problemOf = async (asked: StoreGuard) => {
    expect(await asked.check(signal)).to.equal(asked.problem === undefined);
    return asked.problem;
  };

  it('obeys the first store it meets, and that one while it grows', async () => {
    const first = guard();
    expect(await problemOf(first)).to.equal(undefined);
    identity.revision = 200n;
    expect(await problemOf(first)).to.equal(undefined);
    expect(await problemOf(guard())).to.equal(undefined);
  });

  it('follows a store that was restored from a snapshot of the one it knows, once', async () => {
    await guard().check(signal);
    identity = { clusterId: 'c2', revision: 3n };
    const asked = guard();
    expect(await problemOf(asked)).to.include('another one');
    const restored = (replaces: string) => {
      restoration = { value: JSON.stringify({ id: 'r1', at: '', snapshot: 's', replaces, finished: false }) };
    };
    restored('c9');
    expect(await problemOf(asked)).to.include('another one');
    restored('c1');
    expect(await problemOf(asked)).to.equal(undefined);
    expect(await asked.sparesUnknown(signal)).to.equal(true);
    expect(await problemOf(guard())).to.equal(undefined);
    identity.revision = 2n;
    expect(await problemOf(guard()), 'gone back once more').to.include('went back');
  });

  it('refuses another store, also after a restart', async () => {
    await guard().check(signal);
    identity.clusterId = 'c2';
    expect(await problemOf(guard())).to.match(
      /^the store is another one \(cluster c2, not c1\): nothing is changed here/,
    );
    expect(await problemOf(guard())).to.include(`remove ${file}`);
  });

  it('refuses a store that went back, also when it has grown again', async () => {
    await guard().check(signal);
    identity.revision = 99n;
    expect(await problemOf(guard())).to.match(/^the store went back to revision 99, 100 was seen before/);
    identity.revision = 1000n;
    expect(await problemOf(guard())).to.match(/^the store went back/);
  });

  it('obeys again when a person has removed what it remembers', async () => {
    await guard().check(signal);
    identity.clusterId = 'c2';
    await problemOf(guard());
    await rm(file);
    expect(await problemOf(guard())).to.equal(undefined);
  });

  it('knows the store without a disk to remember it on', async () => {
    const forgetful = guard(join(directory, 'absent', 'store.json'));
    await forgetful.check(signal);
    identity.clusterId = 'c2';
    expect(await problemOf(forgetful)).to.match(/another one/);
    expect(await readdir(directory)).to.deep.equal([]);
  });

  it('does not hold a file that was cut off against the store', async () => {
    await writeFile(file, '{"clust');
    expect(await problemOf(guard())).to.equal(undefined);
  });
});
