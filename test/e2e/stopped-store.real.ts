import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EtcdStore } from '../../src/store/etcd.ts';
import { prefixRange } from '../../src/store/store.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { type KvProcess, startKv } from '../fixtures/kv/server.ts';
import { Daemon } from '../fixtures/process.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';

// Two seconds for a lease that cannot be revoked, and some for a busy machine.
const fewSeconds = 8;
/** Longer than any lease that a daemon has. */
const leasesGoneMs = 20_000;

/** What is there while a daemon is. */
const registrations = ['/pgherd/leader', '/cells/registered/', '/routing/routers/'];

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ends a daemon in order; how it ended, and whether that took a few seconds at most. */
async function endInTime(daemon: Daemon): Promise<string> {
  const startedMs = performance.now();
  const code = await daemon.end();
  const seconds = (performance.now() - startedMs) / 1000;
  return `${daemon.name} ended with ${code} ${seconds <= fewSeconds ? 'in time' : `after ${seconds.toFixed(1)} s`}`;
}

interface StoppedStore {
  readonly endpoint: string;
  stop(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

const ofEtcd = (etcd: EtcdProcess): StoppedStore => ({
  endpoint: etcd.endpoint,
  stop: () => etcd.stop(),
  freeze: () => etcd.suspend(),
  thaw: () => etcd.resume(),
});

const ofKv = (kv: KvProcess): StoppedStore => ({
  endpoint: kv.endpoint,
  stop: () => kv.stop(),
  freeze: () => kv.daemon.signal('SIGSTOP'),
  thaw: () => kv.daemon.signal('SIGCONT'),
});

const stores: Readonly<Record<string, () => Promise<StoppedStore>>> = {
  etcd: async () => ofEtcd(await startEtcd()),
  'pgherd kv': async () => ofKv(await startKv({ engine: 'lmdb' })),
};

for (const [name, startStore] of Object.entries(stores)) {
  describe(`daemons whose store, ${name}, answers nothing any more`, function () {
    this.timeout(120_000);
    let dir: string;
    let store: StoppedStore;
    let daemons: Daemon[];

    before(async () => {
      store = await startStore();
    });
    after(() => store.stop());
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'pgherd-stopped-'));
      const common = (role: string) => [role, '--etcd', store.endpoint, '--metrics', '127.0.0.1:0'];
      const ports = ['--ports', '27100-27109'];
      const cell = [
        '--id',
        'cell-1',
        '--address',
        '127.0.0.1',
        '--runtime',
        'simulated',
        '--data-dir',
        join(dir, 'cell'),
      ];
      const listen = ['--address', '127.0.0.1', '--listen', '127.0.0.1', '--data-dir', join(dir, 'router')];
      daemons = [
        new Daemon('controller', [...common('controller'), ...ports], dir),
        new Daemon('cell', [...common('cell'), ...cell], dir),
        new Daemon('router', [...common('router'), ...ports, ...listen, '--on-exit', 'stop'], dir),
      ];
    });
    afterEach(async () => {
      store.thaw();
      await Promise.all(daemons.map((daemon) => daemon.end('SIGKILL')));
      rmSync(dir, { recursive: true, force: true });
    });

    const startAll = async () => {
      const client = new EtcdStore({ endpoints: [store.endpoint] });
      try {
        // Those of daemons that ended while the store was silent: they are there until their leases run out.
        for (const prefix of registrations) {
          for (const { key } of (await client.list(prefixRange(prefix))).kvs) {
            await client.txn({ if: [], then: [{ type: 'delete', key }] });
          }
        }
        for (const daemon of daemons) daemon.start();
        // The last is what a leader writes before it begins.
        for (const prefix of [...registrations, '/routing/nextport']) {
          await until(`${prefix} is there`, async () => (await client.list(prefixRange(prefix))).kvs.length > 0);
        }
      } finally {
        await client.close();
      }
    };
    const inTime = () => daemons.map(({ name }) => `${name} ended with 0 in time`);

    it('end in order when they are told to at that moment', async () => {
      await startAll();
      store.freeze();
      expect(await Promise.all(daemons.map(endInTime))).to.deep.equal(inTime());
    });

    it('end in order when their leases have run out meanwhile; the controller has ended by then, on purpose', async () => {
      await startAll();
      store.freeze();
      await sleep(leasesGoneMs);
      const [controller, ...others] = daemons as [Daemon, Daemon, Daemon];
      expect(await controller.exited()).to.equal(1);
      expect(controller.log()).to.include('no keep-alive was answered');
      expect(await Promise.all(others.map(endInTime))).to.deep.equal(inTime().slice(1));
    });

    it('end in order when they were started while it was silent', async () => {
      store.freeze();
      for (const daemon of daemons) daemon.start();
      await until('all have asked in vain', () => daemons.every((daemon) => daemon.log().includes('no answer')));
      expect(daemons.map(({ isRunning }) => isRunning)).to.deep.equal([true, true, true]);
      expect(await Promise.all(daemons.map(endInTime))).to.deep.equal(inTime());
    });
  });
}

describe('a herd whose etcd answers nothing any more, on real Patroni', function () {
  this.timeout(120_000);
  let herd: Herd;

  before(async () => {
    herd = await startHerd({ cells: 1, firstPort: 29_400, network: 62 });
    await herd.apply('f1', { plan: 'crash', parameters: { 'node-count': 1 } });
  });
  after(() => herd.stop());

  it('loses its daemons in order, and no database and no route with them', async () => {
    const before = herd.processes();
    herd.etcd.suspend();
    const daemons = [...herd.controllers, ...herd.cells, herd.router];
    expect(await Promise.all(daemons.map(endInTime))).to.deep.equal(
      daemons.map(({ name }) => `${name} ended with 0 in time`),
    );
    const left = new Set(herd.processes());
    const databases = before.filter((pid) => left.has(pid));
    expect(databases.length, 'processes that run on').to.be.at.least(3);
    expect(
      before.filter((pid) => !left.has(pid)),
      'processes that are gone',
    ).to.deep.equal([]);
    herd.etcd.resume();
  });
});
