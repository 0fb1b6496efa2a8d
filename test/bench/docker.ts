/**
 * What nodes in containers cost, on an engine of the bench's own: the size of the images; how long a node takes from
 * `create` to its Patroni's first answer; and what an agent and its engine use while many containers are at rest. Those
 * are real nodes, Patroni and PostgreSQL, of instances that have one node each: so every one of them is a leader, whose
 * Patroni the agent asks once a second.
 * `node dist/test/bench/docker.js [containers] [rest seconds] [starts]`
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEngineAddress } from '../../src/cell/runtime/docker/engine-address.ts';
import { DockerRuntime } from '../../src/cell/runtime/docker.ts';
import type { Runtime } from '../../src/cell/runtime/runtime.ts';
import { EtcdStore } from '../../src/store/etcd.ts';
import { prefixRange } from '../../src/store/store.ts';
import { systemClock } from '../../src/time/clock.ts';
import { publishBindings } from '../fixtures/bindings.ts';
import { DockerEngine } from '../fixtures/docker-engine.ts';
import { imageFile, images } from '../fixtures/docker-images.ts';
import { startEtcd } from '../fixtures/etcd.ts';
import { testAssignment, testOrder } from '../fixtures/patroni.ts';
import { startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import { printFigure } from './figure.ts';
import { cpuMs, residentMb } from './process-figures.ts';

const [containers = 50, restSeconds = 60, starts = 10] = process.argv.slice(2).map(Number);
const mebibyte = 1024 * 1024;

const files = [await imageFile('patroni'), await imageFile('pgherd')];
const engine = await DockerEngine.start('own');
try {
  for (const file of files) await engine.docker('load', '--quiet', '--input', file);
  for (const image of Object.values(images)) {
    const bytes = Number(await engine.docker('image', 'inspect', '--format', '{{.Size}}', image));
    printFigure('image_size_mb', 'MB', [bytes / mebibyte], { image });
  }
  await measureStarts();
  await measureRest();
} finally {
  await engine.stop();
}

async function measureStarts(): Promise<void> {
  const etcd = await startEtcd({ host: engine.hostAddress as string });
  const store = new EtcdStore({ endpoints: [etcd.endpoint] });
  const dataDir = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
  const stop = new AbortController();
  const runtime: Runtime = new DockerRuntime({
    ...{ engine: parseEngineAddress(engine.address, undefined), image: images.patroni, dataDir, cell: 'bench' },
    ...{ hostname: 'bench', address: engine.addresses[0] as string, network: 'bridge', clock: systemClock },
    store: { endpoints: [etcd.endpoint] },
  });
  try {
    await runtime.adopt();
    const running = Promise.all([
      runtime.run(stop.signal),
      publishBindings(() => runtime, 'bench', store, stop.signal),
    ]);
    await until('the image is known', () => runtime.problem === undefined);
    const [started, answered]: [number[], number[]] = [[], []];
    for (let i = 0; i < starts; i++) {
      const order = testOrder(testAssignment(`f${i}`, `f${i}-a`));
      const { node } = order.assignment;
      const fromMs = performance.now();
      await runtime.start(order);
      started.push((performance.now() - fromMs) / 1000);
      await until('Patroni answers', () => {
        const sight = runtime.see(node);
        return sight.state === 'running' && sight.patroni !== undefined;
      });
      answered.push((performance.now() - fromMs) / 1000);
      await runtime.stop(node);
      await runtime.prove(node);
      await runtime.settle(node);
      await runtime.erase(node);
    }
    printFigure('create_to_started_s', 's', started);
    printFigure('create_to_patroni_answers_s', 's', answered);
    stop.abort();
    await running;
  } finally {
    stop.abort();
    await store.close();
    await etcd.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function measureRest(): Promise<void> {
  const herd = await startHerd({
    ...{ cells: 1, firstPort: 27600, network: 62, etcdHost: engine.hostAddress as string },
    cellArgs: () => [
      ...['--runtime', 'docker', '--docker-host', engine.address, '--image', images.patroni],
      ...['--address', engine.addresses[0] as string, '--memory-mb', '100000', '--max-nodes', '1000'],
    ],
  });
  const store = new EtcdStore({ endpoints: [herd.etcd.endpoint] });
  try {
    const document = JSON.stringify({ plan: 'crash', parameters: { 'node-count': 1 } });
    for (let i = 0; i < containers; i++) {
      await store.txn({ if: [], then: [{ type: 'put', key: `/serviceinstances/f${i}`, value: document }] });
    }
    const areReady = async () => {
      const { kvs } = await store.list(prefixRange('/service/'));
      const states = kvs.filter(({ key }) => key.endsWith('/state'));
      return states.filter(({ value }) => value.includes('"type":"Ready","status":"True"')).length === containers;
    };
    await until('all are Ready', areReady, { withinMs: 900_000, everyMs: 1000 });
    const pids = { agent: herd.cells[0]?.pid as number, engine: engine.pid };
    const before = { agent: cpuMs(pids.agent), engine: cpuMs(pids.engine) };
    await systemClock.sleep(restSeconds * 1000);
    const about = { containers, nodes: 'real, one per instance', restSeconds };
    for (const process of ['agent', 'engine'] as const) {
      const perMinute = ((cpuMs(pids[process]) - before[process]) * 60) / restSeconds;
      printFigure(`${process}_cpu_at_rest_ms_per_minute`, 'ms', [perMinute], about);
      printFigure(`${process}_memory_mb`, 'MB', [residentMb(pids[process])], about);
    }
  } finally {
    await store.close();
    await herd.stop();
  }
}
