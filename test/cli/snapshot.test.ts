import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { SnapshotExporter } from '../../src/controller/snapshot-exporter.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, type TestWorld, testWorld } from '../fixtures/world.ts';

describe('pgherd snapshot', () => {
  let dir: string;
  let key: string;
  let file: string;
  let world: TestWorld;
  const withKey = (command: string) => pgherd(world, `snapshot ${command} ${file} --key-file ${key}`);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pgherd-snapshot-'));
    key = join(dir, 'key');
    file = join(dir, 'herd.snapshot');
    writeFileSync(key, 'a secret of a good many characters\n');
    world = testWorld();
    writeMixedHerd(world.keyspace);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('saves to a file of its owner, and restores into an empty store', async () => {
    expect((await withKey('save')).out)
      .to.include('6 documents')
      .and.include('3 ports');
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect((await withKey('show')).out).to.include('6 documents');
    const documents = world.keyspace.list({ start: '/serviceinstances/', end: '/serviceinstances0' });
    world = testWorld();
    expect((await withKey('restore')).out).to.include('7 instances restored');
    for (const { key: at, value } of documents) {
      if (!at.endsWith('/backend')) expect(world.keyspace.get(at)?.value).to.equal(value);
    }
    expect(world.keyspace.get('/serviceinstances/example/restored')?.value).to.include('example-aaaaaa');
    expect((await pgherd(world, 'snapshot finish')).err).to.include('still lack nodes');
    expect((await pgherd(world, 'snapshot finish --yes')).out).to.equal('the restoration is finished\n');
    expect((await pgherd(world, 'snapshot finish')).err).to.include('no restoration is in progress');
    expect(world.keyspace.get('/serviceinstances/example/restored')).to.equal(undefined);
  });

  it('refuses a store that is not empty, a damaged file, another key and what is no snapshot', async () => {
    await withKey('save');
    expect((await withKey('restore')).err).to.include('not restored: the store is not empty');
    world = testWorld();
    const damaged = readFileSync(file);
    damaged[damaged.length - 20] = (damaged[damaged.length - 20] as number) ^ 1;
    writeFileSync(file, damaged);
    expect((await withKey('restore')).err).to.include('it is damaged, or was encrypted with another key');
    writeFileSync(file, 'something else');
    expect((await withKey('restore')).err).to.include('it is not a snapshot of pgherd');
    writeFileSync(key, 'short');
    expect((await withKey('save')).err).to.include('fewer than 16 characters');
    rmSync(key);
    expect((await withKey('restore')).err).to.include(`cannot read the key file ${key}`);
    expect(world.keyspace.list({ start: '/', end: '0' })).to.deep.equal([]);
  });

  it('is written once a day by the controller, and not of a store that has lost everything', async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ clock, keyspace: world.keyspace });
    const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
    const events = { record: () => {} };
    const exporter = new SnapshotExporter({ store, clock, logger, events, directory: join(dir, 'out'), keyFile: key });
    const { signal } = new AbortController();
    expect(await exporter.export(signal)).to.equal(true);
    expect(await exporter.export(signal)).to.equal(false);
    await clock.advance(24 * 3_600_000);
    expect(await exporter.export(signal)).to.equal(true);
    world.keyspace.txn({ if: [], then: [{ type: 'deleteRange', range: { start: '/', end: '0' } }] });
    await clock.advance(24 * 3_600_000);
    expect(await exporter.export(signal)).to.equal(false);
  });
});

describe('pgherd adopt', () => {
  it('writes a document for a scope that has a leader, and refuses one that is managed', async () => {
    const world = testWorld();
    writeMixedHerd(world.keyspace);
    expect((await pgherd(world, 'adopt example')).err).to.include('scope example is managed already');
    expect((await pgherd(world, 'adopt legacy')).err).to.include('there is no Patroni cluster of scope legacy');
    const put = (key: string, value: string) =>
      world.keyspace.txn({ if: [], then: [{ type: 'put', key: `/service/legacy/${key}`, value }] });
    put('initialize', '77');
    expect((await pgherd(world, 'adopt legacy')).err).to.include('has no leader now');
    put('leader', 'pg-a');
    put('members/pg-a', '{"role":"master","state":"running","conn_url":"postgres://a:1/x","api_url":"http://a:2/"}');
    expect((await pgherd(world, 'adopt legacy --plan huge')).err).to.include('no plan "huge": use one of standard');
    expect((await pgherd(world, 'adopt legacy --dry-run')).out).to.include('adopted: true');
    expect((await pgherd(world, 'adopt legacy')).out).to.include('is adopted with 1 members, pg-a leads');
    expect((await pgherd(world, 'adopt legacy')).err).to.include('managed already');
  });
});
