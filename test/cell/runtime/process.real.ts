import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { NodeRecord } from '../../../src/cell/runtime/process/node-directory.ts';
import { ProcessRuntime } from '../../../src/cell/runtime/process.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { EtcdStore, type EtcdStoreOptions } from '../../../src/store/etcd.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { runtimeContract } from '../../contract/runtime.ts';
import { makeCertificates } from '../../fixtures/certificates.ts';
import { type EtcdProcess, startEtcd } from '../../fixtures/etcd.ts';
import { randomLoopback } from '../../fixtures/free-port.ts';
import { testAssignment, testOrder } from '../../fixtures/patroni.ts';
import { until } from '../../fixtures/until.ts';

describe('ProcessRuntime towards a store that is not open to everybody', () => {
  const address = randomLoopback();
  let dataDir: string;
  let etcd: EtcdProcess;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
    await chmod(dataDir, 0o755);
  });
  afterEach(async () => {
    await etcd.stop();
    await rm(dataDir, { recursive: true });
  });

  const leads = async (options: EtcdStoreOptions) => {
    const store = new EtcdStore(options);
    const runtime = new ProcessRuntime({ dataDir, address, store: options, clock: systemClock, unsafeNoFsync: true });
    const stop = new AbortController();
    await runtime.adopt();
    const running = runtime.run(stop.signal);
    const order = testOrder(testAssignment('secure', 'secure-a'));
    const { node, instance } = order.assignment;
    await runtime.start(order);
    await until('it leads', async () => (await store.get(leaderKey(instance))).kv?.value === node);
    await runtime.stop(node);
    stop.abort();
    await running;
    await store.close();
  };

  // Not together: etcd's JSON gateway, which Patroni uses, refuses certificates with a name when there are users.
  it('gives Patroni certificates that only root can read, and the root of the herd', async () => {
    const certificates = await makeCertificates(address);
    etcd = await startEtcd({ host: address, tls: certificates });
    const { caFile, certFile, keyFile } = certificates;
    const [ca, cert, key] = await Promise.all([readFile(caFile), readFile(certFile), readFile(keyFile)]);
    await chmod(keyFile, 0o600);
    await leads({ endpoints: [etcd.endpoint], tls: { ca, cert, key }, root: '/herd-a' });
    await certificates.remove();
  });

  it('gives Patroni user and password', async () => {
    etcd = await startEtcd();
    const admin = new Etcd3({ hosts: etcd.endpoint });
    const user = { name: 'root', password: 'sesame' };
    await admin.user(user.name).create(user.password);
    await admin.user(user.name).addRole('root');
    await admin.auth.authEnable();
    admin.close();
    await leads({ endpoints: [etcd.endpoint], user });
  });
});

describe('ProcessRuntime', () => {
  const address = randomLoopback();
  let etcd: EtcdProcess;
  let dataDir: string;

  before(async () => {
    etcd = await startEtcd();
    dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
    await chmod(dataDir, 0o755);
  });
  after(async () => {
    await etcd.stop();
    await rm(dataDir, { recursive: true });
  });

  const runtime = () =>
    new ProcessRuntime({
      dataDir,
      address,
      store: { endpoints: [etcd.endpoint] },
      clock: systemClock,
      unsafeNoFsync: true,
    });

  runtimeContract(() => ({
    open: runtime,
    async crash(_runtime, node) {
      const record = JSON.parse(await readFile(join(dataDir, 'nodes', node, 'node.json'), 'utf8')) as NodeRecord;
      process.kill(record.run?.init.pid as number, 'SIGKILL');
    },
    async putAside(node) {
      const names = await readdir(join(dataDir, 'trash')).catch(() => []);
      return names.filter((name) => name.startsWith(`${node}-`)).length;
    },
  }));
});
