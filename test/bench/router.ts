import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { routerKey } from '../../src/schema/routing.ts';
import { EtcdStore } from '../../src/store/etcd.ts';
import { maxTxnOps, type Op, prefixRange } from '../../src/store/store.ts';
import { systemClock as clock } from '../../src/time/clock.ts';
import { whoAnswers } from '../fixtures/client.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { type FakeMember, startFakeMember } from '../fixtures/fake-member.ts';
import { randomLoopback } from '../fixtures/free-port.ts';
import { makeRouterDir, type RouterDir } from '../fixtures/haproxy.ts';

// How long a client waits for a new leader's route, one JSON line per figure, with what the parts cost by themselves:
// `npm run build && node dist/test/bench/router.js [instances]`.

const instances = Number(process.argv[2] ?? 1000);
const samples = 300;
const host = randomLoopback();
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));

const etcd = await startEtcd({ fsync: true });
const store = new EtcdStore({ endpoints: [etcd.endpoint] });
const members = [await startFakeMember('a', host, 'any'), await startFakeMember('b', host, 'any')];
const dir = await makeRouterDir();
let router: ChildProcess | undefined;
try {
  await put(instances, members);
  router = startRouter(etcd, dir);
  await applied((await store.get('/')).revision);
  const [haproxy] = await dir.pids();
  await printCpu('haproxy at rest, checking 2 servers per instance', haproxy as number);
  print('leader key put to a client answered by the new leader', await oneByOne(), await bareLimit());
  print('all leader keys put to the last route live', [await allAtOnce()]);
} finally {
  router?.kill('SIGTERM');
  if (router) await once(router, 'exit');
  for (const member of members) await member.stop();
  await dir.remove();
  await store.close();
  await etcd.stop();
}

async function put(count: number, members: readonly FakeMember[]): Promise<void> {
  const ops: Op[] = [];
  for (let i = 0; i < count; i++) {
    const keys = [
      [`/routing/allocation/f${i}`, String(30000 + i)],
      [`/routing/ports/${30000 + i}`, `f${i}`],
      ...members.map((member) => [`/service/f${i}/members/${member.name}`, member.memberValue({ role: 'replica' })]),
      [`/service/f${i}/leader`, 'a'],
    ] as [string, string][];
    for (const [key, value] of keys) ops.push({ type: 'put', key, value });
  }
  for (let from = 0; from < ops.length; from += maxTxnOps) {
    await store.txn({ if: [], then: ops.slice(from, from + maxTxnOps) });
  }
}

function startRouter(etcd: EtcdProcess, dir: RouterDir): ChildProcess {
  const args = ['--etcd', etcd.endpoint, 'router', '--id', 'r1', '--address', host, '--listen', host];
  const options = ['--data-dir', dir.path, '--on-exit', 'stop', '--log-level', 'warn', '--metrics', `${host}:0`];
  return spawn(process.execPath, [main, ...args, ...options], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function applied(revision: bigint): Promise<void> {
  for (;;) {
    const { kv } = await store.get(routerKey('r1' as never));
    if (kv && BigInt((JSON.parse(kv.value) as { applied_revision: string }).applied_revision) >= revision) return;
    if (router?.exitCode !== null) throw new Error('the router ended');
    await clock.sleep(5);
  }
}

/** Milliseconds from the put of a leader key until a new client reaches that leader. */
async function oneByOne(): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < samples; i++) {
    const instance = Math.floor(Math.random() * instances);
    const leader = (await whoAnswers(host, 30000 + instance)) === 'a' ? 'b' : 'a';
    const startMs = clock.monotonic();
    void putLeader(instance, leader);
    while ((await whoAnswers(host, 30000 + instance)) !== leader);
    took.push(clock.monotonic() - startMs);
  }
  return took;
}

/** Milliseconds that nobody can save: from a put until a watch tells of it, and one command to HAProxy. */
async function bareLimit(): Promise<number[]> {
  const stop = new AbortController();
  const { revision } = await store.get('/');
  const events = store.watch(prefixRange('/bare/'), revision + 1n, { signal: stop.signal });
  const took: number[] = [];
  for (let i = 0; i < samples; i++) {
    const startMs = clock.monotonic();
    void store.txn({ if: [], then: [{ type: 'put', key: '/bare/x', value: String(i) }] });
    await events.next();
    await dir.ask('set server p32767/s1 state maint');
    took.push(clock.monotonic() - startMs);
  }
  stop.abort();
  await events.return(undefined as never).catch(() => {});
  return took;
}

async function allAtOnce(): Promise<number> {
  const startMs = clock.monotonic();
  let last = 0n;
  for (let from = 0; from < instances; from += maxTxnOps) {
    const count = Math.min(maxTxnOps, instances - from);
    const then = Array.from(
      { length: count },
      (_, i): Op => ({
        type: 'put',
        key: `/service/f${from + i}/leader`,
        value: 'b',
      }),
    );
    last = (await store.txn({ if: [], then })).revision;
  }
  await applied(last);
  return clock.monotonic() - startMs;
}

function putLeader(instance: number, leader: string) {
  return store.txn({ if: [], then: [{ type: 'put', key: `/service/f${instance}/leader`, value: leader }] });
}

/** Share of one core that a process takes while nothing changes. */
async function printCpu(figure: string, pid: number): Promise<void> {
  const ticks = async () => {
    const [, after = ''] = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ');
    const fields = after.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const [seconds, ticksPerSecond] = [10, 100];
  const before = await ticks();
  await clock.sleep(seconds * 1000);
  const share = ((await ticks()) - before) / (seconds * ticksPerSecond);
  const memory = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  console.log(JSON.stringify({ figure, unit: 'share of a core', instances, value: share, rss_kb: Number(memory) }));
}

function print(figure: string, values: readonly number[], limit?: readonly number[]): void {
  const bare = limit && distribution(limit);
  console.log(JSON.stringify({ figure, unit: 'ms', instances, ...distribution(values), ...(bare && { limit: bare }) }));
}

function distribution(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round((sorted[Math.ceil(share * sorted.length) - 1] ?? 0) * 100) / 100;
  return { n: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}
