import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseEngineAddress } from '../../../src/cell/runtime/docker/engine-address.ts';
import { DockerRuntime, type DockerRuntimeOptions } from '../../../src/cell/runtime/docker.ts';
import { bindingKey } from '../../../src/schema/binding.ts';
import { EtcdStore } from '../../../src/store/etcd.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { runtimeContract } from '../../contract/runtime.ts';
import { publishBindings } from '../../fixtures/bindings.ts';
import { DockerEngine } from '../../fixtures/docker-engine.ts';
import { imageFile, images } from '../../fixtures/docker-images.ts';
import { type EtcdProcess, startEtcd } from '../../fixtures/etcd.ts';
import { testAssignment, testOrder } from '../../fixtures/patroni.ts';
import { supervised } from '../../fixtures/supervised.ts';
import { until } from '../../fixtures/until.ts';

describe('DockerRuntime on a real engine', function () {
  this.timeout(1_200_000);
  const hostname = '0.patroni.patroni1.patroni.bosh';
  let engine: DockerEngine;
  let etcd: EtcdProcess;
  let store: EtcdStore;
  let dataDir: string;
  let file: string;
  let latest: DockerRuntime | undefined;
  const registrar = new AbortController();
  let publishing: Promise<void>;

  before(async () => {
    file = await imageFile('patroni');
    engine = await DockerEngine.start('own');
    etcd = await startEtcd({ host: engine.hostAddress as string });
    store = new EtcdStore({ endpoints: [etcd.endpoint] });
    dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
    publishing = publishBindings(() => latest, hostname, store, registrar.signal);
    publishing.catch(() => {});
  });
  after(async () => {
    registrar.abort();
    await publishing;
    await engine?.stop();
    await store?.close();
    await etcd?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const open = (changes: Partial<DockerRuntimeOptions> = {}) =>
    new DockerRuntime({
      engine: parseEngineAddress(engine.address, undefined),
      image: images.patroni,
      dataDir,
      cell: 'cell-1',
      hostname,
      address: engine.addresses[0] as string,
      network: 'bridge',
      store: { endpoints: [etcd.endpoint] },
      lookUpSeconds: 60,
      unsafeNoFsync: true,
      clock: systemClock,
      ...changes,
    });

  it('loads the image of its nodes from a file, says how far it is, and starts no node before', async () => {
    const order = testOrder(testAssignment('early', 'early-a'));
    await supervised(open({ imageFile: file }), async (runtime) => {
      await runtime.start(order).then(
        () => expect.fail('it started'),
        ({ message }: Error) => expect(message).to.match(/image pgherd-patroni:15 is not here: loading image .* from /),
      );
      await runtime.erase(order.assignment.node);
      const said = new Set<string | undefined>();
      await until('the image is loaded', () => !said.add(runtime.problem) || runtime.problem === undefined, {
        withinMs: 180_000,
      });
      expect([...said].join('\n')).to.match(/loading image pgherd-patroni:15 from \S+, [1-9]\d? % are here/);
    });
  });

  describe('keeps the contract', () => {
    runtimeContract(() => ({
      open() {
        latest = open();
        return latest;
      },
      async crash(_runtime, node) {
        await engine.docker('kill', `cf-${node}`);
      },
      async putAside(node) {
        const names = await readdir(join(dataDir, 'trash')).catch(() => []);
        return names.filter((name) => name.startsWith(`${node}-`)).length;
      },
    }));
  });

  it('runs the image that a document names, and stops nothing for one that cannot be had or is of another version', async () => {
    const other = 'pgherd-patroni:other';
    const newer = 'pgherd-patroni:newer';
    await engine.docker('create', '--name', 'template', images.patroni);
    await engine.docker('commit', '--change', 'LABEL changed=yes', 'template', other);
    await engine.docker('commit', '--change', 'LABEL pgherd.postgresql=16', 'template', newer);
    await engine.docker('rm', 'template');
    await supervised(open({ dataDir: join(dataDir, 'images'), cell: 'cell-3' }), async (runtime) => {
      latest = runtime;
      await until('the image is here', () => runtime.postgresqlVersions);
      expect(runtime.postgresqlVersions).to.deep.equal(['15']);
      const order = testAssignment('named', 'named-a', { container_image: other });
      const { node } = order;
      await runtime.start(testOrder(order));
      await until('PostgreSQL runs', () => {
        const sight = runtime.see(node);
        return sight.state === 'running' && sight.patroni?.postgresqlVersion === '15';
      });
      const label = await engine.docker('inspect', '--format', '{{index .Config.Labels "changed"}}', `cf-${node}`);
      expect(label).to.equal('yes');
      const readiness = (container_image: string) => runtime.readiness({ ...order, container_image });
      expect(await readiness(newer)).to.deep.equal({
        state: 'impossible',
        why: `image ${newer} has PostgreSQL 16, but the data of the node are of PostgreSQL 15`,
      });
      expect(await readiness('127.0.0.1:1/nowhere:1')).to.deep.equal({ state: 'fetching' });
      const failed = await until('it cannot be pulled', async () => {
        const answer = await readiness('127.0.0.1:1/nowhere:1');
        return answer.state === 'impossible' ? answer.why : undefined;
      });
      expect(failed).to.match(/^pulling image 127\.0\.0\.1:1\/nowhere:1 does not work: /);
      expect(runtime.problem).to.equal(undefined);
      await runtime.stop(node);
      await runtime.prove(node);
      await runtime.settle(node);
      await runtime.erase(node);
    });
  });

  it('gives up with its reason when the binding of a container never appears', async () => {
    const alone = join(dataDir, 'alone');
    const order = testOrder(testAssignment('lonely', 'lonely-a'));
    const { node } = order.assignment;
    await supervised(open({ cell: 'cell-2', dataDir: alone, hostname: 'nobody', lookUpSeconds: 2 }), async (lonely) => {
      // Left over from an earlier container of the node: not to be believed.
      const key = bindingKey('postgresql-patroni', 'nobody', node, 5432);
      await store.txn({ if: [], then: [{ type: 'put', key, value: '10.0.0.1:1' }] });
      await lonely.start(order);
      const sight = await until('it gave up', () => {
        const now = lonely.see(node);
        return now.state === 'ended' ? now : undefined;
      });
      expect(sight.unexpected).to.match(
        /exit code 3\); it said: gave up after 2 s waiting for \/postgresql-patroni\/nobody:cf-lonely-a:5432: it says 10\.0\.0\.1:1, which is not port \d+ of this container/,
      );
      expect(await lonely.prove(node)).to.equal('proven');
      await lonely.settle(node);
      await lonely.erase(node);
    });
  });
});
