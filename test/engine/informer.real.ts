import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { type Entry, Informer } from '../../src/engine/informer.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { EtcdStore } from '../../src/store/etcd.ts';
import { prefixRange } from '../../src/store/store.ts';
import { systemClock as clock } from '../../src/time/clock.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';

describe('Informer, on etcd behind a bad network', () => {
  let etcd: EtcdProcess;
  let proxy: TcpProxy;
  /** Writes past the proxy. */
  let writer: EtcdStore;
  let reader: EtcdStore;
  let informer: Informer<string>;
  let told: Map<string, Entry<string>>;
  let changes: number;
  let stop: AbortController;
  let running: Promise<void>;

  before(async () => {
    etcd = await startEtcd();
    writer = new EtcdStore({ endpoints: [etcd.endpoint] });
  });
  after(async () => {
    await writer.close();
    await etcd.stop();
  });

  beforeEach(async () => {
    proxy = await startTcpProxy(etcd);
    reader = new EtcdStore({ endpoints: [proxy.endpoint] });
    stop = new AbortController();
    told = new Map();
    changes = 0;
    informer = new Informer({
      name: 'herd',
      store: reader,
      range: prefixRange('/a/'),
      parse: ({ value }) => value,
      clock,
      logger: createLogger({ level: 'error', format: 'text', destination: process.stderr }),
      metrics: new EngineMetrics(new Registry()).informers,
    });
    informer.onChange((change) => {
      changes += 1;
      const { key } = change.type === 'put' ? change.entry : change.old;
      if (change.old !== told.get(key)) throw new Error(`the old entry of ${key} is not the one told of before`);
      if (change.type === 'put') told.set(key, change.entry);
      else told.delete(key);
    });
    running = informer.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await running;
    await reader.close();
    await proxy.stop();
  });

  /** Puts, and now and then deletes, `count` times; returns the last revision. */
  async function write(count: number): Promise<bigint> {
    let last = 0n;
    for (let i = 0; i < count; i += 1) {
      const key = `/a/${i % 97}`;
      const op = i % 7 === 0 ? ({ type: 'delete', key } as const) : ({ type: 'put', key, value: `${i}` } as const);
      const mark = { type: 'put', key: '/a/mark', value: `${i}` } as const;
      last = (await writer.txn({ if: [], then: [op, mark] })).revision;
    }
    return last;
  }

  /** Waits for the watch to bring the revision, without asking the store for a list. */
  async function watched(revision: bigint): Promise<void> {
    while (informer.revision < revision) await clock.sleep(20);
  }

  async function expectTruth(): Promise<void> {
    const { kvs } = await writer.list(prefixRange('/a/'));
    const truth = Object.fromEntries(kvs.map(({ key, value }) => [key, value]));
    expect(Object.fromEntries([...informer.entries()].map(({ key, value }) => [key, value]))).to.deep.equal(truth);
    expect([...told.values()]).to.have.deep.members([...informer.entries()]);
  }

  it('tells of every change, although the connection is cut in the middle of batches again and again', async () => {
    await informer.whenSynced(stop.signal);
    changes = 0;
    const cutting = setInterval(() => proxy.cutAfter(Math.floor(Math.random() * 20_000)), 150);
    const revision = await write(2_000);
    clearInterval(cutting);
    proxy.cutAfter(Number.POSITIVE_INFINITY);
    await watched(revision);
    await expectTruth();
    // Every transaction is told of: its mark, its put; a deletion of what is not there is no change.
    expect(changes).to.be.at.least(2_000 + 1_714);
  });

  it('notices a black hole, and catches up through a new connection', async () => {
    await informer.whenSynced(stop.signal);
    await watched(await write(20));
    proxy.blackHole();
    const revision = await write(200);
    await clock.sleep(1_000);
    expect(informer.revision < revision, 'nothing gets through').to.equal(true);
    proxy.heal();
    await watched(revision);
    await expectTruth();
  });

  it('survives a restart of etcd', async () => {
    await informer.whenSynced(stop.signal);
    await etcd.restart();
    const revision = await write(50);
    await watched(revision);
    await expectTruth();
  });

  it('finds what changed behind a compaction while it was away', async () => {
    await informer.whenSynced(stop.signal);
    await watched(await write(200));
    proxy.refuse();
    proxy.cut();
    const revision = await write(200);
    const client = new Etcd3({ hosts: etcd.endpoint });
    await client.kv.compact({ revision: revision.toString() });
    client.close();
    await proxy.accept();
    await watched(revision);
    await expectTruth();
  });
});
