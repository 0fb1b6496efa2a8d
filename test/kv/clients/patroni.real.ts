import { chmodSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect } from 'chai';
import { type Certificates, makeCertificates } from '../../fixtures/certificates.ts';
import { Etcdctl } from '../../fixtures/etcdctl.ts';
import { randomLoopback } from '../../fixtures/free-port.ts';
import { GrpcClient } from '../../fixtures/kv/grpc-client.ts';
import { type KvProcess, startKv } from '../../fixtures/kv/server.ts';
import { PatroniCluster } from '../../fixtures/patroni-cluster.ts';
import { until } from '../../fixtures/until.ts';

describe('Patroni with pgherd kv', () => {
  let kv: KvProcess;
  let patroni: PatroniCluster;
  let perf: KvProcess;
  let perfRun: Promise<{ out: string; err: string }>;
  before(async () => {
    perf = await startKv({ engine: 'memory' });
    // Takes a minute: all of the following happens beside it.
    perfRun = new Etcdctl(perf.endpoint.slice('http://'.length)).run(['check', 'perf', '--load', 's']);
    kv = await startKv({ engine: 'lmdb' });
    patroni = await PatroniCluster.start({ hosts: `${kv.host}:${kv.port}` });
  });
  after(async () => {
    await patroni?.stop();
    await kv?.stop();
    await perf?.stop();
  });

  it('bootstraps a cluster of three', async () => {
    await patroni.healthy();
  });

  it('switches over', async () => {
    const leader = await patroni.healthy();
    const candidate = ['one', 'two', 'three'].find((name) => name !== leader) as string;
    await patroni.ask('POST', '/switchover', { leader, candidate });
    expect(await patroni.healthy(2, (name) => name === candidate)).to.equal(candidate);
  });

  it('elects another leader when the leader is killed, and takes the old one back', async () => {
    const killed = await patroni.healthy();
    patroni.kill(killed);
    await patroni.healthy(1, (name) => name !== killed);
    patroni.run(killed);
    expect(await patroni.healthy()).to.not.equal(killed);
  });

  it('pauses and goes on', async () => {
    const paused = (is: boolean) => until('pause', async () => (await patroni.cluster())?.pause === (is || undefined));
    await patroni.ask('PATCH', '/config', { pause: true });
    await paused(true);
    await patroni.ask('PATCH', '/config', { pause: null });
    await paused(false);
    await patroni.healthy();
  });

  it('keeps its leader while the store is killed and started again', async () => {
    const leader = await patroni.healthy();
    await kv.kill();
    await kv.start();
    expect(await patroni.healthy()).to.equal(leader);
  });

  it('etcdctl check perf, which ran beside all that, came to its end', async () => {
    const { out, err } = await perfRun;
    // Whether this machine is fast enough now is not the question.
    expect(out + err).to.match(/(PASS|FAIL): Throughput/);
  });
});

describe('Patroni with pgherd kv behind TLS and accounts', () => {
  let kv: KvProcess;
  let patroni: PatroniCluster;
  let certificates: Certificates;
  before(async () => {
    const host = randomLoopback();
    certificates = await makeCertificates(host);
    const { caFile, certFile, keyFile } = certificates;
    // Patroni is another user.
    chmodSync(dirname(caFile), 0o755);
    for (const file of [caFile, certFile, keyFile]) chmodSync(file, 0o644);
    kv = await startKv({ engine: 'lmdb', host, tls: certificates });
    const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readFile(file)));
    const client = new GrpcClient(kv.endpoint, { ca, cert, key } as { ca: Buffer; cert: Buffer; key: Buffer });
    const auth = (method: string, request = {}) => client.call(`Auth/${method}`, request);
    await auth('UserAdd', { name: 'root', password: 'root-secret' });
    await auth('RoleAdd', { name: 'root' });
    await auth('UserGrantRole', { user: 'root', role: 'root' });
    await auth('UserAdd', { name: 'patroni', password: 'patroni-secret' });
    await auth('RoleAdd', { name: 'patroni' });
    const perm = { permType: 'READWRITE', key: '/service/', range_end: '/service0' };
    await auth('RoleGrantPermission', { name: 'patroni', perm });
    await auth('UserGrantRole', { user: 'patroni', role: 'patroni' });
    await auth('AuthEnable');
    client.close();
    patroni = await PatroniCluster.start({
      hosts: `${kv.host}:${kv.port}`,
      protocol: 'https',
      cacert: caFile,
      cert: certFile,
      key: keyFile,
      username: 'patroni',
      password: 'patroni-secret',
    });
  });
  after(async () => {
    await patroni?.stop();
    await kv?.stop();
    await certificates?.remove();
  });

  it('bootstraps a cluster of three and switches over', async () => {
    const leader = await patroni.healthy();
    const candidate = ['one', 'two', 'three'].find((name) => name !== leader) as string;
    await patroni.ask('POST', '/switchover', { leader, candidate });
    expect(await patroni.healthy(2, (name) => name === candidate)).to.equal(candidate);
  });
});
