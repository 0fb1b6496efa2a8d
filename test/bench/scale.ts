/**
 * Many instances on hollow nodes: how fast they become Ready from cold, and what a herd at rest costs.
 * The limits of the same run are two: the rate at which the same etcd commits bare transactions of the size of the one
 * that creates an instance, and the rate at which it commits the very transactions of the run once more, nothing else
 * going on. CPU per instance is of everything that shares the machine, this process included. Until all are Ready their
 * databases are idle; at rest they are busy, and their members heartbeat.
 * `node dist/test/bench/scale.js [instances] [cells] [rest seconds]`
 *
 * The router is real up to the default block of ports; above, a hollow one confirms revisions, because one HAProxy
 * cannot listen on so many ports under a usual limit of open files. The figures name the one that was used.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type InstanceId, parseInstanceId } from '../../src/schema/ids.ts';
import { EtcdStore } from '../../src/store/etcd.ts';
import { type Op, prefixRange } from '../../src/store/store.ts';
import { startEtcd } from '../fixtures/etcd.ts';
import { Daemon } from '../fixtures/process.ts';
import { bareTransactionsPerSecond, replayedPerSecond, transactionsBetween } from './bare-transactions.ts';
import { printFigure } from './figure.ts';
import { noOpPassesPerSecond } from './no-op-passes.ts';
import { cpuMs, metric, residentMb } from './process-figures.ts';

const [instances = 1000, cells = 50, restSeconds = 60] = process.argv.slice(2).map(Number);
const hollowRouter = instances > 2768;
const controllerMetrics = 'http://127.0.43.1:9000/metrics';
const ports = hollowRouter ? '40000-59999' : '30000-32767';

mkdirSync('/var/tmp/pgherd-test', { recursive: true });
const dir = mkdtempSync('/var/tmp/pgherd-test/scale-');
const etcd = await startEtcd({
  dataDir: join(dir, 'etcd'),
  fsync: true,
  args: ['--quota-backend-bytes', '4294967296'],
});
// A bench is to measure a slow store, not to give up on it.
const store = new EtcdStore({ endpoints: [etcd.endpoint], callTimeoutMs: 60_000 });
const metrics = ['--metrics', '127.0.43.1:9000'];
const controller = new Daemon('controller', ['controller', '--etcd', etcd.endpoint, '--ports', ports, ...metrics], dir);
const hollow = new Daemon(
  'hollow',
  [etcd.endpoint, String(cells), hollowRouter ? ports : ''],
  dir,
  'test/bench/hollow-herd.js',
);
const routerDir = [
  '--data-dir',
  join(dir, 'router'),
  '--listen',
  '127.0.0.1',
  '--address',
  '127.0.0.1',
  '--metrics',
  '127.0.43.2:9000',
  '--on-exit',
  'stop',
];
const router = new Daemon(
  'router',
  ['router', '--etcd', etcd.endpoint, '--id', 'r1', '--ports', ports, ...routerDir],
  dir,
);
const stopping = new AbortController();
try {
  hollow.start();
  controller.start();
  if (!hollowRouter) router.start();
  await registered('/cells/registered/', cells);
  await registered('/routing/routers/', 1);
  const about = { instances, cells, router: hollowRouter ? 'hollow' : 'real' };

  const startedMs = performance.now();
  const committedBefore = await proposals();
  const { revision: revisionBefore } = await store.identity();
  const readyAtMs = await putAndWait(startedMs);
  const seconds = (Math.max(...readyAtMs) - startedMs) / 1000;
  const transactions = (await proposals()) - committedBefore;
  const own = process.cpuUsage();
  const cpu = { controller: cpuMs(controller.pid), etcd: cpuMs(etcd.pid), cells: cpuMs(hollow.pid) };
  const cpuOf = {
    ...cpu,
    ...(router.pidOrUndefined && { router: cpuMs(router.pidOrUndefined) }),
    bench: (own.user + own.system) / 1000,
  };
  const { revision: revisionAfter } = await store.identity();
  const history = await transactionsBetween(store, revisionBefore, revisionAfter);
  const replayed = await replayedPerSecond(store, history);
  const bare = await bareTransactionsPerSecond(store, await creationOf('i-0' as InstanceId), instances);
  printFigure('cold_to_all_ready_s', 's', [seconds], { ...about, target: '<= 15 s for 1000' });
  printFigure(
    'spec_to_ready_s',
    's',
    readyAtMs.map((ms) => (ms - startedMs) / 1000),
    about,
  );
  printFigure('instances_per_second', '1/s', [instances / seconds], {
    ...about,
    limit: [bare],
    target: 'ratio >= 0.5',
  });
  printFigure('transactions_per_second', '1/s', [history.length / seconds], {
    ...about,
    limit: [replayed],
    target: 'ratio >= 0.5',
  });
  printFigure('store_transactions_per_instance', '1', [transactions / instances], about);
  const writes = history.reduce((sum, puts) => sum + puts.length, 0);
  printFigure('keys_written_per_instance', '1', [writes / instances], about);
  const perInstance = { commits: (await commits()) / instances, conflicts: await conflicts() };
  printFigure('passes_per_instance', '1', [(await passes()) / instances], { ...about, ...perInstance });
  for (const [process, ms] of Object.entries(cpuOf)) {
    printFigure('cpu_per_instance_ms', 'ms', [ms / instances], { ...about, process });
  }

  hollow.signal('SIGUSR2');
  const [commitsBefore, proposalsBefore] = [await commits(), await proposals()];
  const [cpuBefore, restMs] = [cpuMs(controller.pid), restSeconds * 1000];
  await new Promise((resolve) => setTimeout(resolve, restMs));
  const heartbeats = (await proposals()) - proposalsBefore;
  printFigure('controller_writes_at_rest', '1', [(await commits()) - commitsBefore], {
    ...about,
    restSeconds,
    heartbeats,
    target: '0',
  });
  printFigure('controller_cpu_at_rest', 'ratio', [(cpuMs(controller.pid) - cpuBefore) / restMs], about);
  printFigure('controller_memory_mb', 'MB', [residentMb(controller.pid)], {
    ...about,
    target: '<= 150 MB for 1000, <= 400 for 10000',
  });
  const ids = Array.from({ length: Math.min(instances, 1000) }, (_, i) => `i-${i}` as InstanceId);
  const [first = 0, last = 0] = ports.split('-').map(Number);
  const perSecond = await noOpPassesPerSecond(store, ids, { first, last });
  printFigure('no_op_passes_per_second', '1/s', [perSecond], { ...about, target: '>= 5000 a core' });
} finally {
  stopping.abort();
  await Promise.all([controller.end(), hollow.end(), ...(hollowRouter ? [] : [router.end()])]);
  await store.close();
  await etcd.stop();
  rmSync(dir, { recursive: true, force: true });
}

/** Puts every document, and gives the time at which each instance was Ready. */
async function putAndWait(startedMs: number): Promise<number[]> {
  const readyAtMs = new Map<string, number>();
  const done = (async () => {
    const { revision } = await store.list(prefixRange('/service/'));
    const put = putDocuments();
    for await (const { events } of store.watch(prefixRange('/service/'), revision, { signal: stopping.signal })) {
      for (const event of events) {
        if (event.type !== 'put' || !event.kv.key.endsWith('/state')) continue;
        // As text: this process is not to take part in what it measures.
        const ready = event.kv.value.includes('"type":"Ready","status":"True"');
        if (ready && !readyAtMs.has(event.kv.key)) readyAtMs.set(event.kv.key, performance.now());
      }
      if (readyAtMs.size === instances) break;
    }
    await put;
  })();
  const progress = setInterval(() => {
    const atSeconds = Math.round((performance.now() - startedMs) / 1000);
    console.error(`${atSeconds} s: ${readyAtMs.size} of ${instances} are Ready`);
  }, 2000);
  await done.finally(() => clearInterval(progress));
  return [...readyAtMs.values()];
}

async function putDocuments(): Promise<void> {
  for (let first = 0; first < instances; first += 100) {
    const puts: Op[] = [];
    for (let i = first; i < Math.min(instances, first + 100); i++) {
      const id = parseInstanceId(`i-${i}`);
      if (id.ok) puts.push({ type: 'put', key: `/serviceinstances/${id.value}`, value: '{"plan":"standard"}' });
    }
    await store.txn({ if: [], then: puts });
  }
}

/** The keys and values of one instance that its first pass wrote: the size of a bare transaction. */
async function creationOf(id: InstanceId): Promise<{ key: string; value: string }[]> {
  const below = await store.list(prefixRange(`/serviceinstances/${id}/`));
  const assignments = await store.list(prefixRange('/cells/assignments/'));
  const own = assignments.kvs.filter((kv) => kv.key.includes(`/${id}-`));
  const { kv: state } = await store.get(`/service/${id}/state`);
  const { kv: allocation } = await store.get(`/routing/allocation/${id}`);
  return [...below.kvs, ...own, state, allocation].flatMap((kv) => (kv ? [{ key: kv.key, value: kv.value }] : []));
}

async function registered(prefix: string, count: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const { kvs } = await store.list(prefixRange(prefix));
    if (kvs.length >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${prefix} has fewer than ${count} keys after a minute: see the logs in ${dir}`);
}

function proposals(): Promise<number> {
  return metric(`${etcd.endpoint}/metrics`, 'etcd_server_proposals_committed_total');
}

function commits(): Promise<number> {
  return metric(controllerMetrics, 'pgherd_commits_total');
}

function conflicts(): Promise<number> {
  return metric(controllerMetrics, 'pgherd_conflicts_total');
}

function passes(): Promise<number> {
  return metric(controllerMetrics, 'controller_runtime_reconcile_time_seconds_count{controller="instance"}');
}
