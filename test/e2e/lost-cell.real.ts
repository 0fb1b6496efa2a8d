import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { Daemon } from '../fixtures/process.ts';
import { commandLine, killAll, signalAll } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

interface Node {
  readonly node_id: string;
  readonly backend_id: string;
}
interface Instance {
  readonly leader: string;
  readonly allocated_port: number;
  readonly nodes: readonly Node[];
}

describe('losing leaders and cells, and draining, on real Patroni under write load', function () {
  this.timeout(120_000);
  let herd: Herd;
  let writer: Writer;
  let port: number;

  const state = async (id = 'f1'): Promise<Instance> =>
    JSON.parse(await herd.run('get', 'instances', id, '-o', 'json')).state;
  const sql = async (id: string, text: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: await herd.uri(id) });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  const health = async (cell: string): Promise<string | undefined> => {
    const [[, text] = []] = await herd.pairs(`/cells/health/${cell}`);
    return text && JSON.parse(text).health;
  };
  const cellOf = async (node: string): Promise<string> =>
    (await state()).nodes.find(({ node_id }) => node_id === node)?.backend_id as string;
  const daemonOf = (cell: string): Daemon => herd.cells.find(({ name }) => name === cell) as Daemon;
  /** Pids of everything that a cell runs, its agent not included. */
  const databasesOf = (cell: string): number[] => herd.processes().filter((pid) => isOf(pid, cell));
  const isOf = (pid: number, cell: string) => commandLine(pid).includes(`/${cell}/`);
  const trashOf = (cell: string): string[] => {
    try {
      return readdirSync(join(herd.dir, cell, 'trash'));
    } catch {
      return [];
    }
  };
  const reportsGone = async (cell: string) =>
    until(`${cell} reports nothing`, async () => (await herd.keys(`/cells/observed/${cell}/`)).length === 0);
  const settled = async (without: string) =>
    until(
      `f1 left ${without}`,
      async () => {
        const { nodes } = await state();
        return nodes.length === 2 && nodes.every(({ backend_id }) => backend_id !== without);
      },
      { withinMs: 60_000, everyMs: 300 },
    );
  const nothingLost = async () => {
    await herd.ready('f1');
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
    expect((await state()).allocated_port).to.equal(port);
  };

  before(async () => {
    const controllerArgs = ['--cell-lost-after', '2s'];
    herd = await startHerd({ cells: 4, firstPort: 28400, network: 57, controllerArgs });
    await herd.apply('f1', { plan: 'test', parameters: { 'node-count': 2, synchronous: true } });
    port = (await state()).allocated_port;
    writer = await new Writer(await herd.uri('f1')).start();
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('loses nothing when the leader is killed with all its processes, again and again', async () => {
    for (let time = 1; time <= 3; time++) {
      const { leader } = await state();
      await herd.synchronous('f1');
      killAll(herd.processesOf(leader));
      await until('another leader', async () => (await state()).leader !== leader, { withinMs: 60_000, everyMs: 200 });
      await nothingLost();
    }
  });

  it('replaces the node of a cell that was killed with all its processes', async () => {
    const { leader } = await state();
    const cell = await cellOf(leader);
    // Without one, what the cell has is the only copy that may lead.
    await herd.synchronous('f1');
    await daemonOf(cell).end('SIGKILL');
    killAll(databasesOf(cell));
    await settled(cell);
    await nothingLost();
    expect(await health(cell)).to.equal('Lost');
    expect(await herd.keys(`/cells/assignments/${cell}/`)).to.deep.equal([]);
  });

  it('puts the data of the replaced node aside when its cell is back, and starts nothing there', async () => {
    const cell = herd.cells.find((daemon) => !daemon.isRunning)?.name as string;
    daemonOf(cell).start();
    await until(`${cell} is back`, async () => (await health(cell)) === 'Registered');
    await reportsGone(cell);
    expect(trashOf(cell)).to.have.length(1);
    expect(databasesOf(cell)).to.deep.equal([]);
    await nothingLost();
  });

  it('stops the node of a cell that was asleep while it was replaced', async () => {
    const { leader, nodes } = await state();
    const replica = nodes.find(({ node_id }) => node_id !== leader) as Node;
    const cell = replica.backend_id;
    const asleep = databasesOf(cell);
    signalAll([daemonOf(cell).pid, ...asleep], 'SIGSTOP');
    await settled(cell);
    signalAll([...asleep, daemonOf(cell).pid], 'SIGCONT');
    await until(`${cell} stopped its old node`, () => databasesOf(cell).length === 0, { withinMs: 60_000 });
    await reportsGone(cell);
    expect(trashOf(cell).some((name) => name.startsWith(replica.node_id))).to.equal(true);
    await nothingLost();
  });

  it('drains the cell of a leader and that of an only node at the same time, and takes them back', async () => {
    await herd.apply('f2', { plan: 'test', parameters: { 'node-count': 1 } });
    await sql('f2', 'create table kept as select 42 as x');
    const ofLeader = await cellOf((await state()).leader);
    const ofOnlyNode = (await state('f2')).nodes[0]?.backend_id as string;
    const cells = [...new Set([ofLeader, ofOnlyNode])];
    const outputs = await Promise.all(cells.map((cell) => herd.run('drain', cell, '--deadline', '100s')));
    for (const [at, cell] of cells.entries()) {
      expect(outputs[at]).to.include(`${cell} is drained`);
      expect(await herd.keys(`/cells/assignments/${cell}/`)).to.deep.equal([]);
      expect(databasesOf(cell)).to.deep.equal([]);
    }
    await nothingLost();
    await herd.ready('f2');
    expect(await sql('f2', 'select x from kept')).to.deep.equal([{ x: 42 }]);
    for (const cell of cells) expect(await herd.run('uncordon', cell)).to.equal(`${cell} takes nodes again\n`);
  });
});
