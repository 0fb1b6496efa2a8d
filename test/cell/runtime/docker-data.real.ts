import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseEngineAddress } from '../../../src/cell/runtime/docker/engine-address.ts';
import { type DockerRecord, RecordDirectory } from '../../../src/cell/runtime/docker/node-record.ts';
import { DockerRuntime, type DockerRuntimeOptions } from '../../../src/cell/runtime/docker.ts';
import type { NodeId } from '../../../src/schema/ids.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { DockerEngine } from '../../fixtures/docker-engine.ts';
import { hollowImage } from '../../fixtures/hollow-image.ts';
import { testAssignment, testOrder } from '../../fixtures/patroni.ts';
import { supervised } from '../../fixtures/supervised.ts';
import { until } from '../../fixtures/until.ts';

describe('what a docker cell does with data and images', function () {
  this.timeout(300_000);
  let engine: DockerEngine;
  let dataDir: string;
  let image: string;

  before(async () => {
    engine = await DockerEngine.start('own');
    image = await hollowImage(engine);
    dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
  });
  after(async () => {
    await engine?.stop();
    if (dataDir) await rm(dataDir, { recursive: true, force: true });
  });

  const settings = (cell: string): DockerRuntimeOptions => ({
    ...{ engine: parseEngineAddress(engine.address, undefined), image, dataDir: join(dataDir, cell), cell },
    ...{ hostname: cell, address: engine.addresses[0] as string, network: 'bridge' },
    ...{ store: { endpoints: ['http://192.0.2.1:2379'] }, clock: systemClock },
  });
  /** Does something with a runtime that supervises and has its image. */
  const using = (options: DockerRuntimeOptions, what: (runtime: DockerRuntime) => Promise<unknown>) =>
    supervised(new DockerRuntime(options), async (runtime) => {
      await until('it has the image', () => runtime.problem === undefined);
      await what(runtime);
    });
  const end = async (runtime: DockerRuntime, node: NodeId) => {
    await runtime.stop(node);
    expect(await runtime.prove(node)).to.equal('proven');
  };

  for (const kind of ['volume', 'directory'] as const) {
    it(`keeps the data of a discarded node in its ${kind} for as long as asked, and then deletes them`, async () => {
      const order = testOrder(testAssignment('f1', `f1-${kind}`));
      const { node } = order.assignment;
      const options = { ...settings(kind), data: kind };
      let data = '';
      const isThere = async () =>
        kind === 'volume'
          ? (await engine.docker('volume', 'ls', '--quiet')).split('\n').includes(data)
          : existsSync(data);
      await using({ ...options, stopPatienceMs: 0 }, async (runtime) => {
        await runtime.start(order);
        await engine.docker(
          'exec',
          `cf-${node}`,
          '/bin/sh',
          '-c',
          'mkdir -m 700 /data/pg && echo 15 > /data/pg/PG_VERSION',
        );
        data = ((await new RecordDirectory(join(options.dataDir, 'nodes', node)).read()) as DockerRecord).volume;
        await end(runtime, node);
        expect(await runtime.putDataAside(node)).to.equal(true);
        await runtime.settle(node);
        expect(await isThere()).to.equal(true);
        // Begun anew, it has nothing of what was put aside, and what it has now goes when it is erased.
        await runtime.start(order);
        expect(await engine.docker('exec', `cf-${node}`, '/bin/ls', '/data')).to.equal('');
        await end(runtime, node);
        await runtime.settle(node);
        await runtime.discard(node);
      });
      const trash = await readdir(join(options.dataDir, 'trash'));
      expect(trash).to.have.length(2);
      await using(options, async () => expect(await isThere()).to.equal(true));
      await using({ ...options, trashRetentionMs: 1 }, async () => {
        await until('nothing is left', async () => (await readdir(join(options.dataDir, 'trash'))).length === 0);
        expect(await isThere()).to.equal(false);
      });
      expect(await engine.docker('volume', 'ls', '--quiet')).to.equal('');
      expect(await readdir(join(options.dataDir, 'data')).catch(() => [])).to.deep.equal([]);
    });
  }

  it('names the disk that data are on: that of the engine for volumes, its own for directories', async () => {
    await using(settings('where'), async (runtime) => expect(runtime.dataPath).to.equal(join(engine.dir, 'data')));
    await using({ ...settings('where'), data: 'directory' }, async (runtime) =>
      expect(runtime.dataPath).to.equal(join(dataDir, 'where')),
    );
  });

  it('pulls an image by digest from a registry, and says how far it is', async () => {
    const registry = await engine.registry();
    const pushed = `${registry}/herd/node:1`;
    await engine.docker('tag', image, pushed);
    await engine.docker('push', '--quiet', pushed);
    const digest = await engine.docker('inspect', '--format', '{{index .RepoDigests 0}}', pushed);
    expect(digest).to.match(/^127\.0\.0\.1:5000\/herd\/node@sha256:[0-9a-f]{64}$/);
    await engine.docker('rmi', '--force', pushed, image);
    await supervised(new DockerRuntime({ ...settings('puller'), image: digest }), async (runtime) => {
      const said = new Set<string | undefined>();
      await until('it is here', () => !said.add(runtime.problem) || runtime.problem === undefined, {
        withinMs: 60_000,
      });
      expect([...said].join('\n'))
        .to.include(`pulling image ${digest}, `)
        .and.match(/, [1-9]\d? % are here/);
      const order = testOrder(testAssignment('f2', 'f2-a'));
      await runtime.start(order);
      // Containers are made of what the digest names, whatever becomes of the tag.
      const [made, own] = ['{{.Image}}', '{{.Id}}'];
      expect(await engine.docker('inspect', '--format', made, 'cf-f2-a')).to.equal(
        await engine.docker('image', 'inspect', '--format', own, digest),
      );
    });
  });
});
