import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import { linuxProcessTable } from '../../src/cell/runtime/process-table.ts';
import { parseRegistration, registeredKey } from '../../src/schema/cell.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { testAssignment, testCredentials } from '../fixtures/patroni.ts';
import { PatroniCell } from '../fixtures/patroni-cell.ts';
import { killAll, processesOf } from '../fixtures/processes.ts';
import { until } from '../fixtures/until.ts';

describe('runCell() with real Patroni', () => {
  const assignment = testAssignment('one', 'one-a');
  const { node } = assignment;
  let etcd: EtcdProcess;
  let directory: string;
  let cell: PatroniCell;

  before(async () => {
    etcd = await startEtcd();
    directory = await mkdtemp(join(tmpdir(), 'pgherd-cell-'));
    execFileSync('chmod', ['755', directory]);
    cell = await new PatroniCell('cell-1', directory, etcd).start();
  });
  after(async () => {
    await cell.stop();
    await cell.store.close();
    await etcd.stop();
    await rm(directory, { recursive: true });
  });

  const query = async (sql: string, user = testCredentials.app_credentials, at = node) => {
    const report = await cell.reported(at, ({ state }) => state === 'running');
    const [host, port] = (report.ports['5432'] ?? '').split(':');
    const client = new pg.Client({
      host: host as string,
      port: Number(port),
      user: user.username,
      password: user.password,
      database: 'postgres',
    });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const registration = async () => {
    const { kv } = await cell.store.get(registeredKey(cell.cell));
    const parsed = kv && parseRegistration(kv.value);
    return parsed?.ok ? parsed.value : undefined;
  };

  it('runs a database in which the app user can create tables at once', async () => {
    await cell.assign(assignment);
    await cell.reported(node, ({ state, streaming }) => state === 'running' && streaming !== undefined);
    await query('create table t (v text)');
    await query("insert into t values ('kept')");
    await query('create role r', testCredentials.admin_credentials);
    expect(await registration())
      .to.include({ cell: 'cell-1', runtime: 'process' })
      .and.not.to.have.property('problem');
  });

  it('shows no password to anybody who lists processes or files', async () => {
    const { password } = testCredentials.app_credentials;
    for (const pid of processesOf(cell.dataDir)) {
      expect(linuxProcessTable.arguments(pid).join(' ')).not.to.include(password);
    }
    const home = join(cell.dataDir, 'nodes', node);
    expect(
      execFileSync('stat', ['-c', '%a', join(home, 'patroni.json'), join(home, 'home')], { encoding: 'utf8' }),
    ).to.equal('600\n700\n');
    expect(await readFile(join(home, 'patroni.json'), 'utf8')).to.include(password);
    expect(cell.log.join('')).not.to.include(password);
  });

  it('refuses to work where another agent works', async () => {
    const error = await cell.run().catch((reason: Error) => reason);
    expect((error as Error).message).to.equal(`data directory ${cell.dataDir} is in use by another cell agent`);
  });

  it('lets the database run on when the agent is restarted, and knows it again', async () => {
    const before = await query('select pg_postmaster_start_time() as at');
    await cell.stop();
    expect(await registration()).to.equal(undefined);
    expect((await query('select pg_postmaster_start_time() as at'))[0]).to.deep.equal(before[0]);
    await cell.start();
    await until('registration', registration);
    expect((await query('select v, pg_postmaster_start_time() as at from t'))[0]).to.deep.equal({
      v: 'kept',
      at: before[0].at,
    });
    expect(await cell.report(node)).to.include({ state: 'running', restarts: 0 });
  });

  it('starts a node anew, with its data, after all of its processes were killed', async () => {
    const { kv } = await cell.store.get('/service/one/leader');
    const patroni = processesOf(join(cell.dataDir, 'nodes', node, 'patroni.json'));
    killAll(patroni);
    await cell.reported(node, ({ restarts }) => restarts === 1);
    await cell.reported(node, ({ state, streaming }) => state === 'running' && streaming !== undefined);
    expect(await query('select v from t')).to.deep.equal([{ v: 'kept' }]);
    expect((await cell.store.get('/service/one/leader')).kv?.createRevision).not.to.equal(kv?.createRevision);
  });

  it('restarts a node whose order changed', async () => {
    await cell.assign({ ...assignment, spec_hash: 'h2' });
    await cell.reported(node, ({ state, spec_hash }) => state === 'running' && spec_hash === 'h2');
    expect(await query('select v from t')).to.deep.equal([{ v: 'kept' }]);
  });

  it('stops its nodes on exit when asked to, and goes on where it was', async () => {
    await cell.stop();
    await cell.start({ onExit: 'stop' });
    await until('registration', registration);
    await cell.stop();
    expect(processesOf(cell.dataDir)).to.deep.equal([]);
    expect(await cell.report(node)).to.deep.include({ state: 'stopped', ports: {} });
    await cell.start();
    expect(await query('select v from t')).to.deep.equal([{ v: 'kept' }]);
  });

  it('bootstraps an instance anew when its first node crashed in the middle of that', async () => {
    const half = testAssignment('half', 'half-a');
    const home = join(cell.dataDir, 'nodes', half.node);
    await cell.assign(half);
    await until('data', async () => {
      const files = await readdir(join(home, 'home', 'pg')).catch((): string[] => []);
      return files.includes('PG_VERSION');
    });
    expect((await cell.store.get('/service/half/initialize')).kv?.value).to.equal('');
    killAll(processesOf(join(home, 'patroni.json')));
    await cell.reported(half.node, ({ state, streaming }) => state === 'running' && streaming !== undefined);
    expect(await query('select 1 as one', testCredentials.app_credentials, half.node)).to.deep.equal([{ one: 1 }]);
    await cell.remove(half);
  });

  it('leaves nothing of a removed node', async () => {
    await cell.remove({ ...assignment, spec_hash: 'h2' });
    expect(processesOf(cell.dataDir)).to.deep.equal([]);
    expect(await readdir(join(cell.dataDir, 'nodes'))).to.deep.equal([]);
    const left = await cell.store.list({ start: '/postgresql-patroni/', end: '/postgresql-patroni0' });
    expect(left.kvs).to.deep.equal([]);
  });

  describe('on a disk that cannot be used', () => {
    let small: PatroniCell;
    beforeEach(async function () {
      if (process.getuid?.() !== 0) this.skip();
      small = new PatroniCell('cell-small', directory, etcd);
      await mkdir(small.dataDir, { recursive: true });
    });
    afterEach(async () => {
      await small.stop();
      await small.store.close();
      execFileSync('umount', [small.dataDir]);
    });
    const mount = (...options: string[]) =>
      execFileSync('mount', ['-t', 'tmpfs', '-o', ['mode=755', ...options].join(), 'tmpfs', small.dataDir]);
    const problem = async () => {
      const { kv } = await small.store.get(registeredKey(small.cell));
      const described = parseRegistration(kv?.value ?? '');
      return described.ok ? described.value.problem : undefined;
    };

    it('calls a node failed whose disk is full, names the directory, and goes on', async () => {
      const full = testAssignment('full', 'full-a');
      mount('size=4m');
      await small.start({ onExit: 'stop' });
      await small.assign(full);
      const report = await small.reported(full.node, ({ state, last_error }) => state === 'failed' && !!last_error);
      expect(report.last_error).to.include(small.dataDir);
      expect(await problem()).to.match(/^data directory .*cell-small is full: \d+ MB are free$/);
      await small.remove(full);
    });

    it('calls a node failed where nothing can be written, and starts it when that was mended', async () => {
      const late = testAssignment('late', 'late-a');
      mount('ro');
      await small.start({ onExit: 'stop' });
      await small.assign(late);
      const report = await small.reported(late.node, ({ state }) => state === 'failed');
      expect(report.last_error).to.match(/^cannot use data directory .*cell-small: EROFS: read-only file system/);
      expect(await until('problem', problem)).to.match(/^cannot use data directory .*cell-small/);
      execFileSync('mount', ['-o', 'remount,rw', small.dataDir]);
      await small.reported(late.node, ({ state }) => state === 'running');
      await small.remove(late);
    });
  });
});
