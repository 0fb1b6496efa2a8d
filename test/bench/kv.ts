/**
 * The embedded store beside Debian's etcd: the same disk, fsync on for both, the same client in a process of its own,
 * one after the other. `limit` is etcd; `echo` is a bare HTTP/2 server in Node, faster than which no server in Node is.
 * `node dist/test/bench/kv.js [seconds a trial] [trials] [keys]`
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startEtcd } from '../fixtures/etcd.ts';
import { freePort, randomLoopback } from '../fixtures/free-port.ts';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import { startKv } from '../fixtures/kv/server.ts';
import { until } from '../fixtures/until.ts';
import { printFigure } from './figure.ts';

const run = promisify(execFile);
const [seconds = 3, trials = 3, keys = 1_000_000] = process.argv.slice(2).map(Number);
const program = (name: string) => fileURLToPath(new URL(`./kv/${name}.js`, import.meta.url));

interface Server {
  readonly endpoint: string;
  readonly pid: number;
}

async function measured(script: string, ...args: (string | number)[]): Promise<Record<string, number>> {
  const { stdout } = await run(process.execPath, [program(script), ...args.map(String)], { timeout: 300_000 });
  return JSON.parse(stdout);
}

const load = (server: { endpoint: string }, kind: string, clients: number) =>
  measured('load', server.endpoint, kind, clients, seconds * 1000);

/** Measures both again and again in turn, so that a neighbour on the machine disturbs both. */
async function inTurn(
  figure: string,
  unit: string,
  target: string,
  measure: (server: { endpoint: string }) => Promise<Record<string, number>>,
  fields: readonly string[],
  withEcho = false,
): Promise<void> {
  const results: Record<'ours' | 'etcd' | 'echo', Record<string, number>[]> = { ours: [], etcd: [], echo: [] };
  for (let trial = 0; trial < trials; trial++) {
    results.ours.push(await measure(ours));
    results.etcd.push(await measure(etcd));
    if (withEcho) results.echo.push(await measure({ endpoint: echoEndpoint }));
  }
  for (const field of fields) {
    const of = (who: keyof typeof results) => results[who].map((result) => result[field] ?? 0);
    const isRate = field === 'perSecond';
    const echo = isRate && withEcho ? { echo: Math.round(Math.max(...of('echo'))) } : {};
    printFigure(isRate ? figure : `${figure}_${field}`, isRate ? unit : 'ms', of('ours'), {
      limit: of('etcd'),
      target: isRate ? target : '<= 1.5',
      ...echo,
    });
  }
}

async function fill(server: { endpoint: string }, prefix: string, count: number, bytes: number): Promise<void> {
  const client = new GrpcClient(server.endpoint);
  const value = 'v'.repeat(bytes);
  let next = 0;
  const fillers = Array.from({ length: 4 }, async () => {
    while (next < count) {
      const from = next;
      next += 100;
      const success = Array.from({ length: Math.min(100, count - from) }, (_, i) => ({
        request_put: { key: `${prefix}${String(from + i).padStart(8, '0')}`, value },
      }));
      await client.call('KV/Txn', { success });
    }
  });
  await Promise.all(fillers);
  client.close();
}

const residentMb = ({ pid }: Server): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Seconds from the start of the process to its first answer. */
async function startSeconds(server: Server & { restart(): Promise<unknown> }): Promise<number> {
  const beganMs = performance.now();
  await server.restart();
  await until('an answer', async () => {
    const client = new GrpcClient(server.endpoint);
    const answer = await client.call('KV/Range', { key: 'many/00000000' }).catch(() => undefined);
    client.close();
    return answer;
  });
  return (performance.now() - beganMs) / 1000;
}

const etcd = await startEtcd({ fsync: true });
const ours = await startKv({ engine: 'lmdb' });
const echoHost = randomLoopback();
const echoPort = await freePort(echoHost);
const echoEndpoint = `http://${echoHost}:${echoPort}`;
const echo = spawn(process.execPath, [program('echo'), echoHost, String(echoPort)]);
try {
  await once(echo.stdout, 'data');
  for (const kind of ['put', 'txn']) {
    for (const clients of [1, 32, 256]) {
      const measure = (server: { endpoint: string }) => load(server, kind, clients);
      await inTurn(`kv_${kind}_${clients}_clients`, '1/s', '>= 1.0', measure, ['perSecond', 'p99'], true);
    }
  }
  await inTurn(
    'kv_range_1_key_32_clients',
    '1/s',
    '>= 1.0',
    (server) => load(server, 'range', 32),
    ['perSecond'],
    true,
  );
  for (const server of [ours, etcd]) await fill(server, 'ten-thousand/', 10_000, 500);
  await inTurn('kv_range_10000_keys', '1/s', '>= 1.0', (server) => load(server, 'range-10000', 1), [
    'perSecond',
    'p99',
  ]);
  await inTurn('kv_put_to_event', 'ms', '', ({ endpoint }) => measured('watches', endpoint, 'delay', 500), [
    'p50',
    'p99',
  ]);
  await inTurn(
    'kv_events_to_1000_watchers',
    '1/s',
    '>= 1.0',
    ({ endpoint }) => measured('watches', endpoint, 'fan-out', 1000, 100),
    ['perSecond'],
  );
  for (const server of [ours, etcd]) await fill(server, 'many/', keys, 500);
  printFigure(`kv_start_with_${keys}_keys`, 's', [await startSeconds(ours)], {
    limit: [await startSeconds(etcd)],
    target: '<= 3 s',
  });
  printFigure(`kv_rss_with_${keys}_keys`, 'MB', [residentMb(ours)], { limit: [residentMb(etcd)], target: '<= 0.25' });
} finally {
  echo.kill();
  await ours.stop();
  await etcd.stop();
}
