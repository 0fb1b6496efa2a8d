import { expect } from 'chai';
import { SimpleTokens } from '../../src/kv/auth/simple-tokens.ts';
import type { Backend } from '../../src/kv/backend.ts';
import { type BackendOptions, backendOn, openBackend } from '../../src/kv/open-backend.ts';
import { KvServer } from '../../src/kv/server/server.ts';
import { openOnFoundationDb } from '../../src/kv/storage/foundationdb.ts';
import { systemClock } from '../../src/time/clock.ts';
import { testKvBackend } from '../contract/kv-backend.ts';
import type { KvServer as KvServerFixture } from '../contract/kv-behaviour.ts';
import { checkAgainstModel } from '../contract/kv-model.ts';
import { kvSharesAccounts } from '../contract/kv-shared-accounts.ts';
import { FakeFoundationDb } from '../fixtures/kv/fake-foundationdb.ts';
import { Recorder } from './support/recorder.ts';
import { compare, op, put, range, txn, watch } from './support/requests.ts';

let stops: (() => Promise<void>)[] = [];

async function openOn(database: FakeFoundationDb, options: Partial<BackendOptions> = {}): Promise<Backend> {
  const clock = options.clock ?? systemClock;
  const backend = await backendOn(await openOnFoundationDb(database, clock), { ...options, clock });
  const stopping = new AbortController();
  const running = backend.run(stopping.signal);
  stops.push(async () => {
    stopping.abort();
    await running;
  });
  return backend;
}

async function stopAll(): Promise<void> {
  const all = stops;
  stops = [];
  await Promise.all(all.map((stop) => stop()));
}

/** In this process: no cluster was there to try it on. */
testKvBackend('a double of FoundationDB', {
  open: (options: Partial<BackendOptions>) => openOn(new FakeFoundationDb(), options),
  close: stopAll,
});

describe('kv on a double of FoundationDB', () => {
  afterEach(stopAll);

  it('reads and tells of every revision what a model says', () =>
    checkAgainstModel(async () => {
      await stopAll();
      return openOn(new FakeFoundationDb());
    }, 10));

  it('is what it was after a restart, long values too', async () => {
    const database = new FakeFoundationDb();
    const first = await openOn(database);
    await first.put(put('long', 'x'.repeat(250_000)));
    await first.put(put('long', 'y'.repeat(190_000)));
    await first.leaseGrant({ id: 5n, ttl: 60n });
    await stopAll();
    const second = await openOn(database);
    expect(second.revision).to.equal(3n);
    expect(String((await second.range(range('long'))).kvs[0]?.value)).to.equal('y'.repeat(190_000));
    expect((await second.leaseTimeToLive(5n, false)).ttl).satisfy((ttl: bigint) => ttl >= 50n && ttl <= 60n);
  });

  it('lets two servers write to one database, each revision once, and both watch all of it in order', async () => {
    const database = new FakeFoundationDb();
    const servers = [await openOn(database), await openOn(database)];
    const recorders = servers.map((server) => new Recorder(server, watch('k', 'l', { prevKv: true })));
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => (servers[n % 2] as Backend).put(put(`k${n % 7}`, `${n}`))),
    );
    const revisions = answers.map(({ revision }) => Number(revision)).sort((a, b) => a - b);
    expect(revisions).to.deep.equal(revisions.map((_, index) => index + 2));
    for (const recorder of recorders) {
      await recorder.atLeast(60);
      expect(recorder.events.map(({ kv }) => Number(kv.modRevision))).to.deep.equal(revisions);
    }
  });

  it('applies a write once whose commit went through unheard, or not at all', async () => {
    const database = new FakeFoundationDb();
    const servers = [await openOn(database), await openOn(database)];
    database.troubles = 0.4;
    const create = (key: string, n: number) =>
      (servers[n % 2] as Backend).txn(txn([compare('CREATE', key, 'EQUAL', 0n)], [op.put(put(key, `${n}`))]));
    for (let n = 0; n < 40; n += 1) {
      const { succeeded, revision } = await create(`key-${n}`, n);
      expect([succeeded, revision]).to.deep.equal([true, BigInt(n + 2)]);
    }
    const one = servers[0] as Backend;
    const { kvs } = await one.range(range('key-', 'key.'));
    expect(kvs.every(({ version }) => version === 1n)).to.equal(true);
    expect(kvs).to.have.length(40);
    expect(database.attempts).to.be.above(50);
  });

  it('shares leases: any server renews them, and when nobody does their keys go in one revision', async () => {
    const database = new FakeFoundationDb();
    const [one, other] = [await openOn(database), await openOn(database)];
    await one.leaseGrant({ id: 5n, ttl: 2n });
    await other.put(put('b', '1', { lease: 5n }));
    await one.put(put('a', '1', { lease: 5n }));
    expect(await other.leaseKeepAlive(5n)).to.equal(2n);
    const recorder = new Recorder(other, watch('a', 'c'));
    expect(await recorder.atLeast(2)).to.deep.equal(['-a@4', '-b@4']);
    expect([await one.leases(), await other.leaseKeepAlive(5n)]).to.deep.equal([[], 0n]);
  });

  it('tells other servers that a setting has changed', async () => {
    const database = new FakeFoundationDb();
    const [one, other] = [await openOn(database), await openOn(database)];
    const told = new Promise<void>((resolve) => other.followMeta(async () => resolve()));
    await one.setMeta('accounts', Buffer.from('x'));
    await told;
    expect(String(await other.getMeta('accounts'))).to.equal('x');
  });

  it('says what is missing where the package is not installed', async () => {
    const error = await openBackend({ engine: 'foundationdb', clock: systemClock }).catch((reason: Error) => reason);
    expect(String(error)).to.match(
      /the engine foundationdb needs .*npm install foundationdb|install foundationdb-clients/,
    );
  });
});

describe('two servers of pgherd kv on a double of FoundationDB', () => {
  async function serve(database: FakeFoundationDb): Promise<KvServerFixture> {
    const backend = await backendOn(await openOnFoundationDb(database, systemClock), { clock: systemClock });
    const faults: unknown[] = [];
    const server = new KvServer({
      ...{ backend, host: '127.0.0.1', port: 0, clock: systemClock, tokens: new SimpleTokens(systemClock) },
      member: (port) => ({ name: 'test', clientUrls: [`http://127.0.0.1:${port}`] }),
      onFault: (error) => faults.push(error),
    });
    const stopping = new AbortController();
    let ended: Promise<void> = Promise.resolve();
    const port = await new Promise<number>((resolve, reject) => {
      ended = server.run(stopping.signal, resolve);
      ended.catch(reject);
    });
    return {
      endpoint: `http://127.0.0.1:${port}`,
      async stop() {
        stopping.abort();
        await ended;
        expect(faults).to.deep.equal([]);
      },
    };
  }

  kvSharesAccounts(async () => {
    const database = new FakeFoundationDb();
    return [await serve(database), await serve(database)];
  });
});
