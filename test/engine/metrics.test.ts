import { expect } from 'chai';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { RequestMetrics } from '../../src/engine/request-metrics.ts';

/** As in controller-runtime's and client-go's sources: name, type, labels, buckets. */
const upstream: readonly (readonly [name: string, type: string, labels: string, buckets?: string])[] = [
  ['workqueue_depth', 'gauge', 'controller,name,priority'],
  ['workqueue_adds_total', 'counter', 'controller,name'],
  [
    'workqueue_queue_duration_seconds',
    'histogram',
    'controller,name',
    '1e-8 1e-7 0.000001 0.00001 0.0001 0.001 0.01 0.1 1 10 100 1000 +Inf',
  ],
  [
    'workqueue_work_duration_seconds',
    'histogram',
    'controller,name',
    '1e-8 1e-7 0.000001 0.00001 0.0001 0.001 0.01 0.1 1 10 100 1000 +Inf',
  ],
  ['workqueue_unfinished_work_seconds', 'gauge', 'controller,name'],
  ['workqueue_longest_running_processor_seconds', 'gauge', 'controller,name'],
  ['workqueue_retries_total', 'counter', 'controller,name'],
  ['controller_runtime_reconcile_total', 'counter', 'controller,result'],
  ['controller_runtime_reconcile_errors_total', 'counter', 'controller'],
  ['controller_runtime_terminal_reconcile_errors_total', 'counter', 'controller'],
  ['controller_runtime_reconcile_panics_total', 'counter', 'controller'],
  ['controller_runtime_reconcile_timeouts_total', 'counter', 'controller'],
  [
    'controller_runtime_reconcile_time_seconds',
    'histogram',
    'controller',
    '0.005 0.01 0.025 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5 0.6 0.7 0.8 0.9 1 1.25 1.5 1.75 2 2.5 3 3.5 4 4.5 5 6 7 8 9 10 15 20 25 30 40 50 60 +Inf',
  ],
  ['controller_runtime_max_concurrent_reconciles', 'gauge', 'controller'],
  ['controller_runtime_active_workers', 'gauge', 'controller'],
  ['leader_election_master_status', 'gauge', 'name'],
  ['leader_election_slowpath_total', 'counter', 'name'],
  ['rest_client_requests_total', 'counter', 'code,host,method'],
  ['informer_store_resource_version', 'gauge', 'group,name,resource,version'],
  ['informer_processing_latency_seconds', 'histogram', 'group,name,resource,version', '0.001 0.01 0.1 1 10 +Inf'],
];

describe('EngineMetrics', () => {
  const registry = new Registry();
  let text: string;

  before(async () => {
    const metrics = new EngineMetrics(registry);
    metrics.controllers.controller('herd', 4);
    metrics.controllers.queues.queue('herd', { depth: () => new Map(), runningMs: () => [] });
    metrics.elections.election('/pgherd/leader');
    metrics.informers.informer('herd', { synced: false, size: 0, revision: 0n });
    new RequestMetrics(registry).client('127.0.0.1:2379');
    text = await registry.metrics();
  });

  for (const [name, type, labels, buckets] of upstream) {
    it(`an existing dashboard finds ${name}, from the start on`, () => {
      expect(text).to.include(`# TYPE ${name} ${type}\n`);
      const series = text
        .split('\n')
        .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name}_bucket{`));
      expect(series, 'a first sample').to.not.deep.equal([]);
      const names = [...(series[0] as string).matchAll(/(\w+)="/g)]
        .map(([, label]) => label)
        .filter((label) => label !== 'le');
      expect(names.sort().join()).to.equal(labels);
      if (buckets) expect(series.map((line) => /le="([^"]+)"/.exec(line)?.[1]).join(' ')).to.equal(buckets);
    });
  }

  it('tells every outcome of a reconcile apart, each from zero on', () => {
    for (const result of ['success', 'error', 'requeue', 'requeue_after']) {
      expect(text).to.include(`controller_runtime_reconcile_total{controller="herd",result="${result}"} 0\n`);
    }
  });

  it('reports the depth by priority, of no more than 25 of them', async () => {
    const own = new Registry();
    const depth = new Map(Array.from({ length: 40 }, (_, i) => [i, 1]));
    const { controllers } = new EngineMetrics(own);
    controllers.queues.queue('herd', { depth: () => depth, runningMs: () => [] });
    controllers.queues.queue('other', { depth: () => new Map([[-100, 7]]), runningMs: () => [] });
    const lines = (await own.metrics()).split('\n').filter((line) => line.startsWith('workqueue_depth{'));
    const herd = lines.filter((line) => line.includes('name="herd"'));
    expect(herd).to.have.length(26);
    expect(herd.at(-1)).to.equal(
      'workqueue_depth{name="herd",controller="herd",priority="exceeded_cardinality_limit"} 15',
    );
    expect(lines).to.include('workqueue_depth{name="other",controller="other",priority="-100"} 7');
    depth.clear();
    expect(await own.metrics()).to.include('workqueue_depth{name="herd",controller="herd",priority="5"} 0');
  });
});
