import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { EtcdStore, type EtcdStoreOptions } from '../../src/store/etcd.ts';
import { type Op, prefixRange, type Store, type WatchBatch } from '../../src/store/store.ts';
import { CompactedError, StoreError } from '../../src/store/store-error.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { freePort, randomLoopback } from '../fixtures/free-port.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const put = (key: string, value = ''): Op => ({ type: 'put', key, value });

describe('EtcdStore on a bad network', () => {
  let etcd: EtcdProcess;
  let proxy: TcpProxy;
  /** Goes around the proxy. */
  let direct: EtcdStore;
  /** Goes through it. */
  let store: EtcdStore;
  let controller: AbortController;
  let stores: EtcdStore[];
  let tests = 0;
  let prefix: string;

  const open = (options: Partial<EtcdStoreOptions> & { endpoints: string[] }) => {
    const opened = new EtcdStore(options);
    stores.push(opened);
    return opened;
  };
  const write = (...ops: Op[]) => direct.txn({ if: [], then: ops });
  const writeMany = async (count: number, value = '') => {
    let written = 0;
    const writer = async () => {
      while (written < count) await write(put(`${prefix}${written++}`, value));
    };
    await Promise.all(Array.from({ length: 32 }, writer));
  };
  const compact = async (revision: bigint) => {
    const client = new Etcd3({ hosts: etcd.endpoint });
    await client.kv.compact({ revision: String(revision) });
    client.close();
  };

  before(async () => {
    etcd = await startEtcd();
  });
  after(() => etcd.stop());
  beforeEach(async () => {
    tests += 1;
    prefix = `/faults/${tests}/`;
    stores = [];
    controller = new AbortController();
    proxy = await startTcpProxy(etcd);
    direct = open({ endpoints: [etcd.endpoint] });
    store = open({ endpoints: [proxy.endpoint] });
  });
  afterEach(async () => {
    controller.abort();
    for (const opened of stores) await opened.close();
    await proxy.stop();
  });

  /** A watch that runs by itself and remembers what it was told. */
  function follow(on: Store, fromRevision: bigint) {
    const seen = {
      revisions: [] as bigint[],
      batches: [] as WatchBatch[],
      disconnects: [] as Error[],
      connects: 0,
      ended: undefined as unknown,
    };
    void (async () => {
      try {
        for await (const batch of on.watch(prefixRange(prefix), fromRevision, {
          signal: controller.signal,
          onConnect: () => {
            seen.connects += 1;
          },
          onDisconnect: (error) => seen.disconnects.push(error),
        })) {
          seen.batches.push(batch);
          for (const event of batch.events) {
            seen.revisions.push(event.type === 'put' ? event.kv.modRevision : event.modRevision);
          }
        }
      } catch (error) {
        seen.ended = error;
      }
    })();
    return seen;
  }

  it('watch() delivers each of 5000 events once and in order when it is cut again and again inside a batch', async () => {
    const { revision } = await direct.identity();
    await writeMany(5000, 'x'.repeat(2000));
    proxy.cutAfter(10_000);
    const seen = follow(store, revision + 1n);
    for (const bytes of [300_000, 2_500_000, 700_000]) {
      const cuts = seen.disconnects.length;
      await until(() => seen.disconnects.length > cuts);
      proxy.cutAfter(bytes);
    }
    await until(() => seen.revisions.length >= 5000);
    await sleep(300);
    expect(seen.revisions).to.deep.equal(Array.from({ length: 5000 }, (_, i) => revision + 1n + BigInt(i)));
    expect(seen.disconnects.length).to.be.greaterThan(2);
  });

  it('watch() keeps a revision of 12000 events in one batch, though etcd sends it in fragments', async () => {
    const name = 'x'.repeat(200);
    const keys = Array.from({ length: 12_000 }, (_, i) => `${prefix}${name}${i}`);
    const writes: Promise<unknown>[] = [];
    for (let i = 0; i < keys.length; i += 125) writes.push(write(...keys.slice(i, i + 125).map((key) => put(key))));
    await Promise.all(writes);
    const { revision } = await write({ type: 'deleteRange', range: prefixRange(prefix) });
    const seen = follow(store, revision);
    await until(() => seen.batches.length > 0);
    expect(seen.batches[0]?.events).to.have.length(12_000);
    expect(seen.batches[0]?.revision).to.equal(revision);
  });

  it('watch() says that history is gone when it was compacted while the connection was down', async () => {
    const { revision } = await direct.identity();
    const seen = follow(store, revision + 1n);
    await writeMany(10);
    await until(() => seen.revisions.length === 10);
    proxy.refuse();
    proxy.cut();
    await writeMany(100);
    const now = await direct.identity();
    await compact(now.revision);
    expect(seen.ended).to.equal(undefined);
    await proxy.accept();
    await until(() => seen.ended !== undefined);
    expect(seen.ended).to.be.instanceOf(CompactedError);
    expect(seen.ended).to.have.property('compactRevision', now.revision);
    expect(seen.disconnects[0]).to.have.property('code', 'unavailable');
  });

  it('watch() notices a black hole within 20 s and has lost nothing when it is over', async () => {
    const { revision } = await direct.identity();
    const seen = follow(store, revision + 1n);
    await until(() => seen.connects === 1);
    proxy.blackHole();
    await writeMany(100);
    await until(() => seen.disconnects.length > 0, 20_000);
    expect(seen.revisions).to.deep.equal([]);
    // The next connection falls into the hole as well: etcd is not even greeted.
    await sleep(500);
    proxy.heal();
    await until(() => seen.revisions.length >= 100);
    expect(seen.revisions).to.deep.equal(Array.from({ length: 100 }, (_, i) => revision + 1n + BigInt(i)));
  });

  it('lease() tells a holder behind a black hole before anybody else can take its key', async () => {
    const lease = await store.lease(4);
    const key = `${prefix}leader`;
    await store.txn({ if: [], then: [{ type: 'put', key, value: 'a', leaseId: lease.id }] });
    await sleep(2500);
    expect(lease.lost.aborted).to.equal(false);
    proxy.blackHole();
    for (;;) {
      const lostBefore = lease.lost.aborted;
      const { succeeded } = await direct.txn({
        if: [{ key, target: 'create', op: '=', value: 0n }],
        then: [put(key, 'b')],
      });
      if (succeeded) {
        expect(lostBefore).to.equal(true);
        break;
      }
      await sleep(5);
    }
    expect(lease.lost.reason).to.have.property('code', 'lease-lost');
  });

  it('lease() survives cuts and short outages', async () => {
    const lease = await store.lease(6);
    await write(put(`${prefix}a`));
    for (let i = 0; i < 4; i += 1) {
      proxy.refuse();
      proxy.cut();
      await sleep(500);
      await proxy.accept();
      await sleep(400);
    }
    expect(lease.lost.aborted).to.equal(false);
    await lease.revoke();
  });

  it('list() reads 6 MB, and more than one message can hold, and nothing trips', async () => {
    const megabyte = 'x'.repeat(1_400_000);
    for (let i = 0; i < 50; i += 1) await write(put(`${prefix}${String(i).padStart(2, '0')}`, megabyte));
    const six = await store.list({ start: `${prefix}00`, end: `${prefix}05` });
    expect(six.kvs).to.have.length(5);
    const all = await store.list(prefixRange(prefix));
    expect(all.kvs.map((kv) => kv.value.length)).to.deep.equal(Array(50).fill(1_400_000));
    expect((await store.get(`${prefix}00`)).kv?.value.length).to.equal(1_400_000);
    await write({ type: 'deleteRange', range: prefixRange(prefix) });
  });

  it('list() begins again when its revision is compacted between two pages', async () => {
    await writeMany(1200);
    proxy.delay(150);
    const listing = store.list(prefixRange(prefix));
    await sleep(450);
    const { revision } = await write(put(`${prefix}late`));
    await compact(revision);
    const { kvs } = await listing;
    expect(kvs).to.have.length(1201);
  });

  it('get() and txn() fail with `unavailable` after their deadline, naming the key, and work again afterwards', async () => {
    const hasty = open({ endpoints: [proxy.endpoint], callTimeoutMs: 300 });
    await hasty.get(`${prefix}a`);
    proxy.blackHole();
    const error = await hasty.txn({ if: [], then: [put(`${prefix}a`, 'secret')] }).catch((failed) => failed);
    expect(error).to.be.instanceOf(StoreError);
    expect(error).to.have.property('code', 'unavailable');
    expect(error.message).to.include(`transaction on ${prefix}a at http://`).and.not.include('secret');
    proxy.heal();
    await hasty.get(`${prefix}a`);
  });

  it('get() ends with its signal, not with the deadline', async () => {
    await store.get(`${prefix}a`);
    proxy.blackHole();
    const abort = new AbortController();
    const reading = store.get(`${prefix}a`, { signal: abort.signal }).catch((failed) => failed);
    await sleep(50);
    abort.abort(new Error('enough'));
    expect(await reading).to.have.property('message', 'enough');
  });

  it('keeps its one connection when a watch is stopped, or ends for compacted history', async () => {
    const { revision } = await write(put(`${prefix}a`));
    await compact((await write(put(`${prefix}a`))).revision);
    const { revision: now } = await store.identity();
    const others = follow(store, now + 1n);
    const abort = new AbortController();
    const stopped = store.watch(prefixRange(prefix), now + 1n, { signal: abort.signal }).next();
    const compacted = follow(store, revision);
    await until(() => compacted.ended !== undefined && others.connects === 1);
    abort.abort(new Error('enough'));
    expect(await stopped.catch((error) => error)).to.have.property('message', 'enough');
    await store.get(`${prefix}a`);
    expect(proxy.connections).to.equal(1);
  });

  it('goes over to the next endpoint when the first does not answer', async () => {
    const both = open({ endpoints: [proxy.endpoint, etcd.endpoint], callTimeoutMs: 300 });
    const { revision } = await direct.identity();
    const seen = follow(both, revision + 1n);
    await until(() => seen.connects === 1);
    proxy.refuse();
    proxy.cut();
    await write(put(`${prefix}a`));
    await until(() => seen.revisions.length === 1);
    expect((await both.get(`${prefix}a`)).kv).to.not.equal(undefined);
  });

  it('watch() goes on over kill -9 and restart of etcd under load', async () => {
    const { revision } = await direct.identity();
    const seen = follow(store, revision + 1n);
    let written = 0;
    let done = false;
    const writer = (async () => {
      while (!done) {
        await write(put(`${prefix}${written % 50}`, String(written))).then(
          () => {
            written += 1;
          },
          () => sleep(20),
        );
      }
    })();
    for (let i = 0; i < 2; i += 1) {
      await sleep(200);
      await etcd.kill();
      await etcd.start();
      const enough = written + 100;
      await until(() => written > enough);
    }
    done = true;
    await writer;
    const end = (await write(put(`${prefix}end`))).revision;
    await until(() => seen.revisions.at(-1) === end);
    const replay = follow(direct, revision + 1n);
    await until(() => replay.revisions.at(-1) === end);
    expect(seen.revisions).to.deep.equal(replay.revisions);
    expect(seen.revisions.length).to.be.greaterThan(200);
  });

  it('waits for an etcd that is not there yet', async () => {
    const host = randomLoopback();
    const port = await freePort(host);
    const early = open({ endpoints: [`http://${host}:${port}`] });
    const error = await early.get('/a').catch((failed) => failed);
    expect(error).to.have.property('code', 'unavailable');
    const seen = follow(early, 1n);
    await until(() => seen.disconnects.length > 1);
    const late = await startEtcd({ host, port });
    try {
      await until(() => seen.connects === 1);
      await early.txn({ if: [], then: [put(`${prefix}a`)] });
      await until(() => seen.revisions.length === 1);
    } finally {
      await late.stop();
    }
  });
});

async function until(condition: () => boolean, withinMs = 30_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${condition}`);
    await sleep(5);
  }
}
