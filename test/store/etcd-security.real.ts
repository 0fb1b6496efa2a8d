import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { EtcdStore, type EtcdStoreOptions } from '../../src/store/etcd.ts';
import { type Op, prefixRange } from '../../src/store/store.ts';
import type { StoreError } from '../../src/store/store-error.ts';
import { type Certificates, makeCertificates, makeTokenKeys } from '../fixtures/certificates.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { randomLoopback } from '../fixtures/free-port.ts';
import { startTcpProxy } from '../fixtures/tcp-proxy.ts';

const put = (key: string, value = ''): Op => ({ type: 'put', key, value });

describe('EtcdStore with security', () => {
  let etcd: EtcdProcess;
  let stores: EtcdStore[];

  const open = (options: Partial<EtcdStoreOptions> = {}) => {
    const opened = new EtcdStore({ endpoints: [etcd.endpoint], ...options });
    stores.push(opened);
    return opened;
  };
  const failure = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => expect.fail('expected a failure'),
      (failed) => failed as Error,
    );
    expect(error.message).to.not.include('sesame');
    return error;
  };

  beforeEach(() => {
    stores = [];
  });
  afterEach(async () => {
    for (const store of stores) await store.close();
  });

  describe('user and password', () => {
    const root = { name: 'root', password: 'open-sesame' };
    const tenant = { name: 'tenant', password: 'sesame' };

    const authentications = async () => {
      const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
      return Number(/^grpc_server_started_total{grpc_method="Authenticate".*} (\d+)$/m.exec(metrics)?.[1]);
    };
    let early: EtcdStore;
    let keys: Awaited<ReturnType<typeof makeTokenKeys>>;

    before(async () => {
      keys = await makeTokenKeys();
      const token = `jwt,pub-key=${keys.publicFile},priv-key=${keys.privateFile},sign-method=RS256,ttl=1s`;
      etcd = await startEtcd({ args: ['--auth-token', token] });
      const admin = new Etcd3({ hosts: etcd.endpoint });
      for (const { name, password } of [root, tenant]) {
        await admin.role(name).create();
        await admin.user(name).create(password);
        await admin.user(name).addRole(name);
      }
      await admin.role('tenant').grant({ permission: 'Readwrite', range: admin.range({ prefix: '/mine/' }) });
      early = new EtcdStore({ endpoints: [etcd.endpoint], user: root });
      await early.get('/a');
      await admin.auth.authEnable();
      admin.close();
    });
    after(async () => {
      await early.close();
      await etcd.stop();
      await keys.remove();
    });

    it('works for calls, watches and leases, and goes on when a token has expired', async () => {
      const proxy = await startTcpProxy(etcd);
      const store = open({ user: root });
      // Each renews its own token: the calls of one do not help the watch of the other.
      const watching = open({ user: root, endpoints: [proxy.endpoint] });
      const abort = new AbortController();
      const lease = await store.lease(3);
      const first = await store.txn({ if: [], then: [{ type: 'put', key: '/a', value: '1', leaseId: lease.id }] });
      const codes: unknown[] = [];
      const watch = watching.watch(prefixRange('/'), first.revision, {
        signal: abort.signal,
        onDisconnect: (error) => codes.push((error as StoreError).code),
      });
      expect((await watch.next()).value.revision).to.equal(first.revision);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      proxy.cut();
      const next = watch.next();
      const again = await store.txn({ if: [], then: [put('/b', '2')] });
      expect((await next).value.revision).to.equal(again.revision);
      expect(codes).to.deep.equal(['unavailable']);
      expect(lease.lost.aborted).to.equal(false);
      await lease.revoke();
      abort.abort();
      await proxy.stop();
    });

    it('has worked before authentication was switched on, and still does', async () => {
      await early.get('/a');
    });

    it('asks for one new token when many calls are refused at once', async () => {
      const store = open({ user: root });
      await store.get('/a');
      const before = await authentications();
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await Promise.all(Array.from({ length: 50 }, () => store.get('/a')));
      expect(await authentications()).to.equal(before + 1);
    });

    it('says `unauthenticated` for a wrong password or none, and `permission-denied` beyond the role', async () => {
      const wrong = open({ user: { name: 'root', password: 'not-sesame' } });
      expect(await failure(wrong.get('/a'))).to.have.property('code', 'unauthenticated');
      expect(await failure(open().get('/a'))).to.have.property('code', 'unauthenticated');
      const limited = open({ user: tenant });
      await limited.txn({ if: [], then: [put('/mine/a', '1')] });
      expect(await failure(limited.get('/other'))).to.have.property('code', 'permission-denied');
    });

    it('watch() without permission keeps trying and says why, and works once it is granted', async () => {
      const store = open({ user: tenant });
      const abort = new AbortController();
      let refused = () => {};
      const refusal = new Promise<void>((resolve) => {
        refused = resolve;
      });
      const codes = new Set<string>();
      const watch = store.watch(prefixRange('/other/'), 2n, {
        signal: abort.signal,
        onDisconnect: (error) => {
          codes.add((error as StoreError).code);
          refused();
        },
      });
      const next = watch.next();
      await refusal;
      expect([...codes]).to.deep.equal(['permission-denied']);
      const admin = new Etcd3({ hosts: etcd.endpoint, auth: { username: root.name, password: root.password } });
      await admin.role('tenant').grant({ permission: 'Read', range: admin.range({ prefix: '/other/' }) });
      admin.close();
      await open({ user: root }).txn({ if: [], then: [put('/other/a', '1')] });
      expect((await next).value.events).to.have.length(1);
      abort.abort();
    });
  });

  describe('TLS', () => {
    let ours: Certificates;
    let others: Certificates;
    let tls: { ca: Buffer; cert: Buffer; key: Buffer };

    before(async () => {
      const host = randomLoopback();
      ours = await makeCertificates(host);
      others = await makeCertificates(host);
      tls = { ca: await readFile(ours.caFile), cert: await readFile(ours.certFile), key: await readFile(ours.keyFile) };
      etcd = await startEtcd({ host, tls: ours });
    });
    after(async () => {
      await etcd.stop();
      await ours.remove();
      await others.remove();
    });

    it('works with a client certificate', async () => {
      const store = open({ tls });
      await store.txn({ if: [], then: [put('/a', '1')] });
      expect((await store.get('/a')).kv?.value).to.equal('1');
    });

    it('says `unauthenticated` for a server of another authority', async () => {
      const error = await failure(open({ tls: { ...tls, ca: await readFile(others.caFile) } }).get('/a'));
      expect(error).to.have.property('code', 'unauthenticated');
    });

    it('fails without a client certificate', async () => {
      await failure(open({ tls: { ca: tls.ca } }).get('/a'));
    });
  });
});
