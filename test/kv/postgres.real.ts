import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import pg from 'pg';
import type { Backend } from '../../src/kv/backend.ts';
import { type BackendOptions, openBackend } from '../../src/kv/open-backend.ts';
import { systemClock } from '../../src/time/clock.ts';
import { testKvBackend } from '../contract/kv-backend.ts';
import { checkAgainstModel } from '../contract/kv-model.ts';
import { type PostgresProcess, startPostgres } from '../fixtures/postgres.ts';
import { until } from '../fixtures/until.ts';
import { Recorder } from './support/recorder.ts';
import { compare, del, everything, line, op, put, range, txn, watch } from './support/requests.ts';

let postgres: PostgresProcess;
let stops: (() => Promise<void>)[] = [];

/** A database of its own, so that every test begins with an empty store. */
async function newDatabase(): Promise<string> {
  const name = `kv_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return postgres.url.replace(/[^/]*$/, name);
}

async function openOn(url: string, options: Partial<BackendOptions> = {}): Promise<Backend> {
  const backend = await openBackend({ engine: 'postgres', clock: systemClock, url, ...options });
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

before(async () => {
  postgres = await startPostgres();
});
after(() => postgres?.remove());

testKvBackend('postgres', {
  open: async (options: Partial<BackendOptions>) => openOn(await newDatabase(), options),
  close: stopAll,
});

describe('kv on postgres', () => {
  let url: string;

  beforeEach(async () => {
    url = await newDatabase();
  });
  afterEach(stopAll);

  const lines = async (backend: Backend) => (await backend.range(everything())).kvs.map(line);

  it('is what it was after a restart', async () => {
    const first = await openOn(url);
    await first.leaseGrant({ id: 5n, ttl: 60n });
    await first.put(put('a', '1', { lease: 5n }));
    await first.put(put('a', '2', { lease: 5n }));
    await first.compact({ revision: 2n, physical: true });
    await stopAll();
    const second = await openOn(url);
    expect([second.revision, second.status().compactRevision, await lines(second)]).to.deep.equal([
      3n,
      2n,
      ['a=2@3 v2 c2 l5'],
    ]);
    expect(await second.leaseKeepAlive(5n)).to.equal(60n);
    expect(second.status().dbSize).to.be.above(0);
  });

  it('reads and tells of every revision what a model says', () =>
    checkAgainstModel(async () => {
      await stopAll();
      return openOn(await newDatabase());
    }, 10));

  it('lets two servers write to one database, each revision once, and both watch all of it in order', async () => {
    const servers = await Promise.all([openOn(url), openOn(url)]);
    const recorders = servers.map((server) => new Recorder(server, watch('k', 'l', { prevKv: true })));
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, n) => (servers[n % 2] as Backend).put(put(`k${n % 7}`, `${n}`))),
    );
    const revisions = answers.map(({ revision }) => Number(revision)).sort((a, b) => a - b);
    expect(revisions).to.deep.equal(revisions.map((_, index) => index + 2));
    for (const recorder of recorders) {
      await recorder.atLeast(120);
      expect(recorder.events.map(({ kv }) => Number(kv.modRevision))).to.deep.equal(revisions);
      const untold = recorder.events.filter(({ kv, prevKv }) => (prevKv === undefined) !== (kv.version === 1n));
      expect(untold).to.deep.equal([]);
    }
    const history = new Recorder(servers[1] as Backend, watch('k', 'l', { prevKv: true, startRevision: 2n }));
    expect(await history.atLeast(120)).to.deep.equal(recorders[0]?.lines);
  });

  it('lets one server see at once what the other has answered, and decides between them', async () => {
    const [one, other] = await Promise.all([openOn(url), openOn(url)]);
    for (let n = 0; n < 10; n += 1) {
      const { revision } = await one.put(put('a', `${n}`));
      expect((await other.range(range('a'))).kvs.map(line)[0]).to.contain(`a=${n}@${revision}`);
    }
    const create = (server: Backend) =>
      server.txn(txn([compare('CREATE', 'lock', 'EQUAL', 0n)], [op.put(put('lock', 'mine'))]));
    const answers = await Promise.all([one, other, one, other].map(create));
    expect(answers.filter(({ succeeded }) => succeeded).length).to.equal(1);
  });

  it('shares leases: any server renews them, and when nobody does their keys go in one revision', async () => {
    const [one, other] = await Promise.all([openOn(url), openOn(url)]);
    await one.leaseGrant({ id: 5n, ttl: 2n });
    await other.put(put('b', '1', { lease: 5n }));
    await one.put(put('a', '1', { lease: 5n }));
    expect(await other.leaseKeepAlive(5n)).to.equal(2n);
    expect((await other.leaseTimeToLive(5n, true)).keys.map(String)).to.deep.equal(['a', 'b']);
    const recorder = new Recorder(other, watch('a', 'c'));
    expect(await recorder.atLeast(2)).to.deep.equal(['-a@4', '-b@4']);
    expect([await one.leases(), await other.leaseKeepAlive(5n)]).to.deep.equal([[], 0n]);
  });

  it('refuses writes while the database is away, and goes on when it is back, watches too', async () => {
    const backend = await openOn(url);
    const recorder = new Recorder(backend, watch('a'));
    await backend.put(put('a', '1'));
    await postgres.stop();
    const refusal = await backend.put(put('a', '2')).catch((error: Error) => error);
    expect(String(refusal)).to.contain('etcdserver: cannot write');
    expect(await backend.range(range('a')).catch(() => 'refused')).to.equal('refused');
    await postgres.start();
    await until('the database is back', async () =>
      backend.put(put('a', '3')).then(
        () => true,
        () => false,
      ),
    );
    await backend.deleteRange(del('a'));
    expect(await recorder.atLeast(3)).to.deep.equal(['a=1@2', 'a=3@3 v2 c2', '-a@4']);
  });
});
