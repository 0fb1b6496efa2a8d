/**
 * What a tenant notices through the public port when its leader moves or dies: a writer every 50 ms, ten runs each.
 * The limit of the same run is a client that talks to the nodes directly, without a router. `node dist/test/bench/failover.js [runs]`
 */
import { killAll } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { Writer } from '../fixtures/writer.ts';
import { printFigure } from './figure.ts';

const cellOf = new Map<string, string>();
const runs = Number(process.argv[2] ?? 10);
const id = 'bench';
const herd = await startHerd({ firstPort: 26300, network: 42 });
try {
  const startedMs = performance.now();
  await herd.apply(id, { plan: 'crash', parameters: { 'node-count': 3 } });
  printFigure('new_instance_ready_s', 's', [(performance.now() - startedMs) / 1000], { target: '<= 60 s' });
  await measure('switchover_gap_ms', 'p95 <= 3000 ms', async () => {
    await herd.run('switchover', id, '--wait');
  });
  await measure('kill_leader_gap_ms', 'p95 <= 1000 ms at ttl 30', async () => {
    killAll(herd.processesOf(await leader()));
  });
  await measure('cell_gone_gap_ms', '<= 30 s ttl + loop_wait', async () => {
    const name = await leader();
    const cell = herd.cells.find((each) => each.name === cellOf.get(name));
    await cell?.end('SIGKILL');
    killAll(herd.processesOf(name));
    return async () => void cell?.start();
  });
} finally {
  await herd.stop();
}

async function measure(
  figure: string,
  target: string,
  act: () => Promise<void | (() => Promise<void>)>,
): Promise<void> {
  const [gaps, direct, lost]: [number[], number[], number[]] = [[], [], []];
  for (let run = 0; run < runs; run++) {
    const uri = await herd.uri(id);
    const tenant = await new Writer(uri, { table: 'tenant' }).start();
    const bare = await new Writer(await nodeUris(herd, uri), { table: 'bare' }).start();
    await Promise.all([tenant.nextAck(), bare.nextAck()]);
    const sinceMs = performance.now();
    const restore = await act();
    await Promise.all([tenant.nextAck(), bare.nextAck()]);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await Promise.all([tenant.stop(), bare.stop()]);
    gaps.push(tenant.longestGapMs(sinceMs));
    direct.push(bare.longestGapMs(sinceMs));
    lost.push((await tenant.lost()).length);
    await restore?.();
    await herd.ready(id);
  }
  printFigure(figure, 'ms', gaps, { limit: direct, target, acknowledged_writes_lost: lost.reduce((a, b) => a + b, 0) });
}

async function state(): Promise<{ leader: string; nodes: { node_id: string; backend_id: string }[] }> {
  return JSON.parse(await herd.run('get', 'instances', id, '-o', 'json')).state;
}

async function nodeUris(of: Herd, uri: string): Promise<string[]> {
  const { nodes } = await state();
  const bindings = await of.pairs('/postgresql-patroni/');
  return nodes.map(({ node_id, backend_id }) => {
    cellOf.set(node_id, backend_id);
    const address = bindings.find(([key]) => key.endsWith(`:cf-${node_id}:5432`))?.[1];
    const direct = new URL(uri);
    direct.host = address ?? '';
    return direct.href;
  });
}

async function leader(): Promise<string> {
  return (await state()).leader;
}
