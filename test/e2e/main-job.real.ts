import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { Daemon } from '../fixtures/process.ts';
import { commandLine, killAll } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { sql as sqlAt } from '../fixtures/sql.ts';
import { Writer } from '../fixtures/writer.ts';

interface InstanceRow {
  readonly leader: string;
  readonly allocated_port: number;
  readonly nodes: { readonly node_id: string; readonly backend_id: string }[];
}

describe('the main job on real etcd, Patroni, PostgreSQL and HAProxy', function () {
  this.timeout(240_000);
  let herd: Herd;
  let uri: string;

  const sql = <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> => sqlAt(uri, text);
  const state = async (): Promise<InstanceRow> =>
    JSON.parse(await herd.run('get', 'instances', 'f1', '-o', 'json')).state;
  const document = (nodes: number) => ({ plan: 'test', parameters: { 'node-count': nodes } });
  const kept = async () => expect(await sql('select x from kept')).to.deep.equal([{ x: 42 }]);
  /** Pids of the leader's Patroni and PostgreSQL. */
  const leaderProcesses = async () => herd.processesOf((await state()).leader);

  /** The controllers, the leading one first. */
  const controllers = async () => {
    const [[, leader] = []] = await herd.pairs('/pgherd/leader');
    return herd.controllers.toSorted((one) => (leader?.includes(one.name) ? -1 : 1)) as [Daemon, Daemon];
  };

  before(async () => {
    herd = await startHerd({ cells: 4, controllers: 2 });
  });
  after(() => herd.stop());

  it('brings a new instance of two nodes up within 60 s, and a tenant creates a table through its public port', async () => {
    const startedMs = performance.now();
    await herd.apply('f1', document(2));
    expect(performance.now() - startedMs).to.be.below(60_000);
    uri = await herd.uri('f1');
    await sql('create table kept (x int)');
    await sql('insert into kept values (42)');
    await kept();
  });

  it('announces every node under the documented registrar keys', async () => {
    const { nodes } = await state();
    const keys = await herd.keys('/postgresql-patroni/');
    for (const { node_id } of nodes) {
      expect(keys.filter((key) => key.endsWith(`:cf-${node_id}:5432`))).to.have.length(1);
      expect(keys.filter((key) => key.endsWith(`:cf-${node_id}:8008`))).to.have.length(1);
    }
    expect(keys).to.have.length(4);
  });

  for (const nodes of [4, 2]) {
    it(`scales to ${nodes} nodes and keeps data and port`, async () => {
      const before = await state();
      await herd.apply('f1', document(nodes));
      const after = await state();
      expect(after.nodes).to.have.length(nodes);
      expect(new Set(after.nodes.map((node) => node.backend_id)).size).to.equal(nodes);
      expect(after.allocated_port).to.equal(before.allocated_port);
      await kept();
    });
  }

  it('switches over without losing an acknowledged write', async () => {
    const writer = await new Writer(uri).start();
    const before = await state();
    await herd.run('switchover', 'f1', '--wait');
    await writer.nextAck();
    await writer.stop();
    await herd.ready('f1');
    expect((await state()).leader).to.not.equal(before.leader);
    expect(await writer.lost()).to.deep.equal([]);
  });

  it('answers again through the same port after the leader was killed with all its processes', async () => {
    const before = await state();
    const writer = await new Writer(uri).start();
    killAll(await leaderProcesses());
    await writer.nextAck(20_000);
    await writer.stop();
    await herd.ready('f1');
    expect((await state()).leader).to.not.equal(before.leader);
    await kept();
  });

  it('leaves databases alone while their agents restart, and adopts them', async () => {
    const before = await leaderProcesses();
    for (const cell of herd.cells) await cell.end('SIGKILL');
    await kept();
    for (const cell of herd.cells) cell.start();
    await herd.ready('f1');
    await kept();
    expect(await leaderProcesses()).to.include.members(before.slice(0, 1));
  });

  it('keeps healthy sessions while the router restarts', async () => {
    const client = new pg.Client({ connectionString: uri });
    await client.connect();
    await herd.router.end('SIGKILL');
    herd.router.start();
    await herd.ready('f1');
    expect((await client.query('select x from kept')).rows).to.deep.equal([{ x: 42 }]);
    await client.end();
  });

  it('goes on when the leading controller is paused, which ends without a write when it wakes', async () => {
    const [leading, standby] = await controllers();
    leading.signal('SIGSTOP');
    await herd.apply('f2', { plan: 'test', parameters: { 'node-count': 1 } });
    leading.signal('SIGCONT');
    expect(await leading.exited()).to.equal(1);
    expect((await controllers())[0]).to.equal(standby);
    leading.start();
    await herd.ready('f2');
  });

  it('goes on when the leading controller is killed', async () => {
    const [leading] = await controllers();
    await leading.end('SIGKILL');
    await herd.apply('f3', { plan: 'test', parameters: { 'node-count': 1 } });
    leading.start();
    expect(await herd.keys('/routing/ports/')).to.have.length(3);
  });

  it('survives etcd being away for a minute: tenants write on, and everything is Ready afterwards', async () => {
    const writer = await new Writer(uri).start();
    await herd.etcd.kill();
    const awayMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await writer.nextAck(30_000);
    // Without the failsafe mode the leader would step down and stay down until etcd is back.
    expect(writer.longestGapMs(awayMs)).to.be.below(20_000);
    await herd.etcd.restart();
    // Its lease ran out, so the leading controller has ended: whoever runs it starts it again.
    for (const controller of herd.controllers) if (!controller.isRunning) controller.start();
    await herd.ready('f1');
    await writer.stop();
    expect(await writer.lost()).to.deep.equal([]);
    await kept();
  });

  it('scales to one node', async () => {
    await herd.apply('f1', document(1));
    await kept();
  });

  it('deletes: no process, key or directory of the instances is left behind', async () => {
    for (const id of ['f1', 'f2', 'f3']) await herd.run('delete', id, '--yes', '--wait');
    for (const prefix of [
      '/serviceinstances/',
      '/service/',
      '/cells/assignments/',
      '/cells/observed/',
      '/postgresql-patroni/',
    ]) {
      expect(await herd.keys(prefix), prefix).to.deep.equal([]);
    }
    for (const cell of herd.cells) {
      expect(readdirSync(join(herd.dir, cell.name, 'nodes')), cell.name).to.deep.equal([]);
    }
    expect(await herd.keys('/routing/')).to.have.members(['/routing/nextport', '/routing/routers/router-1']);
    expect(
      herd
        .processes()
        .map((pid) => commandLine(pid))
        .filter((line) => !line.startsWith('haproxy')),
    ).to.deep.equal([]);
  });
});
