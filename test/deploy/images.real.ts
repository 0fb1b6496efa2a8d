import { expect } from 'chai';
import { EtcdStore } from '../../src/store/etcd.ts';
import { prefixRange } from '../../src/store/store.ts';
import { DockerEngine } from '../fixtures/docker-engine.ts';
import { imageFile, images } from '../fixtures/docker-images.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { Etcdctl } from '../fixtures/etcdctl.ts';
import { pgherd } from '../fixtures/process.ts';
import { until } from '../fixtures/until.ts';

const mebibyte = 1024 * 1024;

describe('the image of pgherd', function () {
  this.timeout(1_200_000);
  let engine: DockerEngine;
  let etcd: EtcdProcess;
  let store: EtcdStore;
  let address: string;

  /** Starts a role as the page on Docker says, but asked for its health more often. */
  const start = (name: string, image: string, options: readonly string[], role: readonly string[]) => {
    const hardened = ['--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--memory', '256m'];
    return engine.docker(
      'run',
      '--detach',
      '--name',
      name,
      '--health-interval',
      '1s',
      ...hardened,
      ...options,
      image,
      ...role,
    );
  };
  const look = (name: string, format: string) => engine.docker('inspect', '--format', format, name);
  const healthy = (...names: string[]) =>
    Promise.all(
      names.map((name) =>
        until(`${name} is healthy`, async () => (await look(name, '{{.State.Health.Status}}')) === 'healthy', {
          everyMs: 200,
        }).catch(async (error: Error) => {
          throw new Error(`${error.message}; ${await engine.docker('logs', '--tail', '20', name)}`);
        }),
      ),
    );
  const shell = (image: string, script: string) =>
    engine.docker('run', '--rm', '--network', 'none', '--read-only', '--entrypoint', '/bin/sh', image, '-c', script);
  const keys = async (prefix: string) => (await store.list(prefixRange(prefix))).kvs.map(({ key }) => key);

  before(async () => {
    const file = await imageFile('pgherd');
    engine = await DockerEngine.start('own');
    address = engine.addresses[0] as string;
    await engine.docker('load', '--quiet', '--input', file);
    etcd = await startEtcd({ host: engine.hostAddress as string });
    store = new EtcdStore({ endpoints: [etcd.endpoint] });
  });
  after(async () => {
    await engine?.stop();
    await store?.close();
    await etcd?.stop();
  });

  it('is small, names itself, and has no build tools, sources of others or superuser in it', async () => {
    expect(Number(await look(images.pgherd, '{{.Size}}')) / mebibyte).to.be.below(220);
    const labels = JSON.parse(await look(images.pgherd, '{{json .Config.Labels}}'));
    expect(labels).to.include({ 'org.opencontainers.image.title': 'pgherd' });
    expect(labels['org.opencontainers.image.version']).to.match(/^\d+\.\d+\.\d+/);
    const tools = 'npm npx corepack gcc cc make g++ python3 git tsc';
    expect(await shell(images.pgherd, `id -u; for each in ${tools}; do command -v $each; done; :`)).to.equal('10001');
    const idle =
      'find node_modules -name "*.ts" -o -name typescript -o -name mocha -o -path "*/.bin/tsc"; ls -d src; :';
    expect(await shell(images.pgherd, idle)).to.equal('');
    const writable = 'find / -xdev -writable -not -path "/proc/*" -not -path "/dev/*" -type f; :';
    expect(await shell(images.pgherd, writable)).to.equal('');
  });

  it('runs a controller that does its work on a read-only root without any rights, and a cell and a router', async () => {
    const at = ['--etcd', etcd.endpoint];
    await start('controller', images.pgherd, [], ['controller', ...at, '--ports', '27800-27809']);
    const cell = ['cell', ...at, '--runtime', 'simulated', '--id', 'cell-1', '--address', address];
    await start('cell', images.pgherd, [], cell);
    const router = ['router', ...at, '--id', 'router-1', '--address', address, '--ports', '27800-27809'];
    await start('router', images.router, ['--publish', `${address}:27800-27809:27800-27809`], router);
    await healthy('controller', 'cell', 'router');
    const document = JSON.stringify({ plan: 'standard', parameters: { 'node-count': 1 } });
    await store.txn({ if: [], then: [{ type: 'put', key: '/serviceinstances/f1', value: document }] });
    const env = { PGHERD_ETCD: etcd.endpoint };
    const ready = await pgherd(['wait', 'f1', '--for=Ready', '--timeout', '60s'], { env });
    expect(ready.code, ready.stderr).to.equal(0);
    expect(await keys('/cells/assignments/cell-1/')).to.have.length(1);
  });

  it('ends in order when it is told to, and lets go of what it held', async () => {
    expect(await keys('/pgherd/leader')).not.to.deep.equal([]);
    await engine.docker('stop', '--time', '20', 'controller', 'cell', 'router');
    for (const name of ['controller', 'cell', 'router']) {
      expect(await look(name, '{{.State.ExitCode}} {{.State.OOMKilled}}'), name).to.equal('0 false');
    }
    for (const held of ['/pgherd/leader', '/cells/registered/', '/routing/routers/']) {
      expect(await keys(held)).to.deep.equal([]);
    }
  });

  it('is a store that etcdctl works on, whose data outlive the container', async () => {
    const role = ['kv', '--advertise', `http://${address}:2379`];
    const options = ['--publish', `${address}:2379:2379`, '--volume', 'kv:/var/lib/pgherd'];
    const etcdctl = new Etcdctl(`http://${address}:2379`);
    await start('kv', images.pgherd, options, role);
    await healthy('kv');
    await etcdctl.ok(['put', 'kept', '42']);
    await engine.docker('stop', '--time', '20', 'kv');
    expect(await look('kv', '{{.State.ExitCode}}')).to.equal('0');
    await engine.docker('rm', 'kv');
    await start('kv', images.pgherd, options, role);
    await healthy('kv');
    expect(await etcdctl.ok(['get', 'kept', '--print-value-only'])).to.equal('42\n');
    await etcdctl.ok(['endpoint', 'health']);
  });
});
