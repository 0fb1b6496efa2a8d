import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';
import { StoreGuard } from '../../src/router/store-guard.ts';
import type { KeyValue } from '../../src/store/store.ts';

const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr });

describe('StoreGuard.check()', () => {
  let dir: string;
  let restoration: KeyValue | undefined;

  beforeEach(async () => {
    restoration = undefined;
    dir = await mkdtemp(join(tmpdir(), 'pgherd-guard-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const guardOf = (clusterId: string, revision: bigint, path = join(dir, 'store.json')) =>
    new StoreGuard({
      store: { get: async () => ({ kv: restoration, revision }), identity: async () => ({ clusterId, revision }) },
      path,
      logger,
    });

  it('trusts a store that was restored from a snapshot of the one it knows, and no other', async () => {
    await guardOf('a', 10n).check();
    const say = (replaces: string, id: string) => {
      const value = JSON.stringify({ id, at: '', snapshot: 's', replaces, finished: false });
      restoration = { key: '/pgherd/restoration', value, createRevision: 1n, modRevision: 1n, leaseId: 0n };
    };
    const guard = guardOf('b', 2n);
    expect(await guard.check()).to.equal(false);
    say('c', 'r1');
    expect(await guard.check()).to.equal(false);
    say('a', 'r2');
    expect(await guard.check()).to.equal(true);
    expect(guard.problem).to.equal(undefined);
    expect(await guardOf('b', 3n).check()).to.equal(true);
    expect(await guardOf('b', 1n).check(), 'gone back once more').to.equal(false);
  });

  it('trusts the first store it sees, and the same one when it is newer, across restarts', async () => {
    expect(await guardOf('a', 10n).check()).to.equal(true);
    expect(await guardOf('a', 11n).check()).to.equal(true);
  });

  it('does not follow another store, and says what to do about it', async () => {
    await guardOf('a', 10n).check();
    const guard = guardOf('b', 20n);
    expect(await guard.check()).to.equal(false);
    expect(guard.problem).to.equal(
      `the store is b, another one than a: routes stay as they are; to follow it, remove ${join(dir, 'store.json')} and restart the router`,
    );
  });

  it('does not follow a store that was restored from a backup', async () => {
    await guardOf('a', 10n).check();
    const guard = guardOf('a', 9n);
    expect(await guard.check()).to.equal(false);
    expect(guard.problem).to.match(/^the store went back from revision 10 to 9:/);
  });

  it('goes on when it cannot write, for example on a full disk', async () => {
    expect(await guardOf('a', 10n, join(dir, 'missing', 'store.json')).check()).to.equal(true);
  });
});
