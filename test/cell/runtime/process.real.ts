import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { debianPrograms, type Programs } from '../../../src/cell/runtime/process/command-line.ts';
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

describe('ProcessRuntime on a machine with several versions of PostgreSQL', () => {
  const address = randomLoopback();
  let etcd: EtcdProcess;
  let dataDir: string;
  let programs: Programs;
  const stop = new AbortController();

  before(async () => {
    etcd = await startEtcd();
    dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
    await chmod(dataDir, 0o755);
    // The same PostgreSQL twice, and something that is none.
    const postgresql = join(dataDir, 'lib');
    await mkdir(join(postgresql, '17'), { recursive: true });
    for (const version of ['15', '16']) await symlink('/usr/lib/postgresql/15', join(postgresql, version));
    programs = { ...debianPrograms, postgresql, defaultVersion: '16' };
  });
  after(async () => {
    stop.abort();
    await etcd.stop();
    await rm(dataDir, { recursive: true });
  });

  it('runs the one that was ordered, and refuses one that is not there or that cannot use the data', async () => {
    const store = { endpoints: [etcd.endpoint] };
    const runtime = new ProcessRuntime({ dataDir, address, store, clock: systemClock, programs, unsafeNoFsync: true });
    await runtime.adopt();
    const running = runtime.run(stop.signal);
    expect(runtime.postgresqlVersions).to.deep.equal(['15', '16']);
    const order = testAssignment('versions', 'versions-a', { postgresql_version: '15' });
    const { node } = order;
    await runtime.start(testOrder(order));
    await until('PostgreSQL runs', () => {
      const sight = runtime.see(node);
      return sight.state === 'running' && sight.patroni?.state === 'running';
    });
    const config = JSON.parse(await readFile(join(dataDir, 'nodes', node, 'patroni.json'), 'utf8'));
    expect(config.postgresql.bin_dir).to.equal(join(programs.postgresql, '15', 'bin'));
    const why = async (changes: object) => {
      const readiness = await runtime.readiness({ ...order, ...changes });
      return readiness.state === 'impossible' ? readiness.why : readiness.state;
    };
    expect(await why({})).to.equal('ready');
    expect(await why({ postgresql_version: undefined })).to.equal('ready');
    expect(await why({ postgresql_version: '17' })).to.match(
      /^PostgreSQL 17 is not installed here: there is no .*\/17\/bin/,
    );
    expect(await why({ postgresql_version: '16' })).to.equal(
      'the data of the node are of PostgreSQL 15, and 16 cannot use them',
    );
    expect(await why({ container_image: 'a:1' })).to.include('no containers of a:1');
    await runtime.stop(node);
    await runtime.settle(node);
    const refused = await runtime.start(testOrder({ ...order, postgresql_version: '16' })).then(
      () => 'started',
      (error: Error) => error.message,
    );
    expect(refused).to.include('are of PostgreSQL 15');
    expect(runtime.see(node).state).to.equal('stopped');
    stop.abort();
    await running;
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
