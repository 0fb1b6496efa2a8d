import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { NodeRecord } from '../../src/cell/runtime/process/node-directory.ts';
import { linuxProcessTable } from '../../src/cell/runtime/process-table.ts';
import type { Assignment } from '../../src/schema/assignment.ts';
import { leaderKey } from '../../src/schema/patroni.ts';
import type { KeyValue } from '../../src/store/store.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { testAssignment, testCredentials } from '../fixtures/patroni.ts';
import { PatroniCell } from '../fixtures/patroni-cell.ts';
import { killAll, processesOf } from '../fixtures/processes.ts';
import { until } from '../fixtures/until.ts';

// A lease of 30 s that is renewed every 5 s has 25 s left at least: whoever is faster did not wait for it. How fast is
// measured in test/bench.
const withoutLeaseMs = 10_000;

interface Placed {
  readonly cell: PatroniCell;
  readonly assignment: Assignment;
}

describe('proved release on real Patroni', () => {
  let etcd: EtcdProcess;
  let directory: string;
  let cells: PatroniCell[];
  // Patroni's default: whoever waits for it waits half a minute.
  let slow: Placed[];
  let quick: Placed[];

  before(async () => {
    etcd = await startEtcd();
    directory = await mkdtemp(join(tmpdir(), 'pgherd-release-'));
    execFileSync('chmod', ['755', directory]);
    cells = ['c1', 'c2', 'c3'].map((name) => new PatroniCell(name, directory, etcd));
    await Promise.all(cells.map((cell) => cell.startProcess()));
    slow = await place('slow', 30);
    quick = await place('quick', 5);
  });
  after(async () => {
    await Promise.all(cells.map((cell) => cell.stop()));
    await Promise.all(cells.map((cell) => cell.store.close()));
    killAll(processesOf(directory));
    await etcd.stop();
    await rm(directory, { recursive: true });
  });

  const place = async (instance: string, ttl: number): Promise<Placed[]> => {
    const placed = cells.map((cell, at) => ({
      cell,
      assignment: testAssignment(instance, `${instance}-${at}`, { ttl }),
    }));
    await Promise.all(placed.map(({ cell, assignment }) => cell.assign(assignment)));
    return placed;
  };
  const leaderOf = async ([first]: Placed[]): Promise<KeyValue | undefined> => {
    if (!first) return undefined;
    return (await first.cell.store.get(leaderKey(first.assignment.instance))).kv;
  };
  const healthy = (herd: Placed[]): Promise<Placed> =>
    until('one leads and two stream', async () => {
      const leader = (await leaderOf(herd))?.value;
      const placed = herd.find(({ assignment }) => assignment.node === leader);
      const report = placed && (await placed.cell.report(placed.assignment.node));
      return report?.state === 'running' && report.streaming?.length === 2 ? placed : undefined;
    });
  const run = async ({ cell, assignment }: Placed) => {
    const file = join(cell.dataDir, 'nodes', assignment.node, 'node.json');
    const { run: recorded } = JSON.parse(await readFile(file, 'utf8')) as NodeRecord;
    if (!recorded) throw new Error(`${assignment.node} does not run`);
    const { pid } = recorded.init;
    const namespace = linuxProcessTable
      .pids()
      .filter((each) => linuxProcessTable.namespace(each) === recorded.namespace);
    const patroni = namespace.find((each) => each !== pid && linuxProcessTable.arguments(each)[2]?.endsWith('patroni'));
    if (patroni === undefined) throw new Error(`${assignment.node} has no Patroni`);
    return { init: pid, patroni, all: namespace };
  };
  const nextLeader = async (herd: Placed[], old: string): Promise<{ leader: KeyValue; ms: number }> => {
    const since = performance.now();
    const leader = await until(
      'another leads',
      async () => {
        const key = await leaderOf(herd);
        return key && key.value !== old ? key : undefined;
      },
      { everyMs: 5, withinMs: 40_000 },
    );
    return { leader, ms: performance.now() - since };
  };
  const alive = (pids: number[]) => pids.filter((pid) => linuxProcessTable.alive(pid));

  const write = async (herd: Placed[], value: string) => {
    const { cell, assignment } = await healthy(herd);
    const [host = '', port] = ((await cell.report(assignment.node))?.ports['5432'] ?? '').split(':');
    // Nobody else may see how far replicas are.
    const { username: user, password } = testCredentials.superuser_credentials;
    const client = new pg.Client({ host, port: Number(port), user, password, database: 'postgres' });
    await client.connect();
    await client.query('create table if not exists t (v text)');
    await client.query('insert into t values ($1)', [value]);
    // Replication is asynchronous: only what both have may be asked for after a crash.
    await until('both replicas have it', async () => {
      const sql = 'select from pg_stat_replication where replay_lsn >= pg_current_wal_lsn()';
      return (await client.query(sql)).rowCount === 2;
    });
    const { rows } = await client.query('select v from t order by v');
    await client.end();
    return rows.map(({ v }: { v: string }) => v);
  };

  it('replaces a leader whose Patroni and PostgreSQL were killed without waiting for its ttl of 30', async () => {
    const old = await healthy(slow);
    expect(await write(slow, 'one')).to.deep.equal(['one']);
    const { all } = await run(old);
    killAll(all);
    const { ms } = await nextLeader(slow, old.assignment.node);
    expect(ms).to.be.lessThan(withoutLeaseMs);
  });

  it('replaces a leader of whom only Patroni was killed, after PostgreSQL is gone as well', async () => {
    const old = await healthy(slow);
    expect(await write(slow, 'two')).to.deep.equal(['one', 'two']);
    const { patroni, all } = await run(old);
    process.kill(patroni, 'SIGKILL');
    const { ms } = await nextLeader(slow, old.assignment.node);
    expect(alive(all)).to.deep.equal([]);
    expect(ms).to.be.lessThan(withoutLeaseMs);
  });

  it('does no harm when the agent was frozen while the node died and another was elected', async () => {
    const old = await healthy(quick);
    await write(quick, 'one');
    const { all } = await run(old);
    old.cell.signal('SIGSTOP');
    killAll(all);
    const { leader, ms } = await nextLeader(quick, old.assignment.node);
    // Nobody who can prove it is awake: Patroni's lease decides.
    expect(ms).to.be.greaterThan(1000);
    old.cell.signal('SIGCONT');
    await old.cell.reported(old.assignment.node, ({ state, restarts }) => state === 'running' && restarts > 0);
    await healthy(quick);
    expect((await leaderOf(quick))?.createRevision).to.equal(leader.createRevision);
    expect(await write(quick, 'two')).to.deep.equal(['one', 'two']);
  });

  it('does nothing about a leader that hangs', async () => {
    const old = await healthy(quick);
    const { patroni } = await run(old);
    const before = await leaderOf(quick);
    process.kill(patroni, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect((await leaderOf(quick))?.modRevision).to.equal(before?.modRevision);
    process.kill(patroni, 'SIGCONT');
    await healthy(quick);
  });

  it('releases when it comes back and finds that its node died without it', async () => {
    const old = await healthy(slow);
    const before = await leaderOf(slow);
    const { all } = await run(old);
    await old.cell.stop('SIGKILL');
    killAll(all);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect((await leaderOf(slow))?.modRevision).to.equal(before?.modRevision);
    await old.cell.startProcess();
    const { ms } = await nextLeader(slow, old.assignment.node);
    expect(ms).to.be.lessThan(withoutLeaseMs);
    expect(await write(slow, 'three')).to.deep.equal(['one', 'three', 'two']);
  });
});
