import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ObservedState } from '../../src/schema/observed-state.ts';
import { says, stateOf } from '../fixtures/observed-state.ts';
import { OperatingPage } from '../fixtures/operating-page.ts';
import type { Daemon } from '../fixtures/process.ts';
import { commandLine, killAll } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { sql } from '../fixtures/sql.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

describe('many cells gone at once, and cells gone for good', function () {
  this.timeout(240_000);
  let herd: Herd;
  let writer: Writer;

  const daemonOf = (cell: string): Daemon => herd.cells.find(({ name }) => name === cell) as Daemon;
  const processesOn = (cell: string): number[] =>
    herd.processes().filter((pid) => commandLine(pid).includes(`/${cell}/`));
  /** The machine is gone: agent, Patroni, PostgreSQL, all of it. */
  const lose = async (cell: string): Promise<void> => {
    await daemonOf(cell).end('SIGKILL');
    killAll(processesOn(cell));
  };
  const isLost = (cell: string) =>
    until(`${cell} is lost`, async () => (await herd.pairs(`/cells/health/${cell}`))[0]?.[1].includes('"Lost"'), {
      withinMs: 90_000,
      everyMs: 250,
    });
  /** Inodes of the data directories: the same ones, and not copies. */
  const dataOf = ({ nodes }: ObservedState): number[] =>
    nodes.map(({ node_id, backend_id }) => statSync(join(herd.dir, backend_id, 'nodes', node_id, 'home', 'pg')).ino);
  const trashOf = (cell: string): string[] => {
    const trash = join(herd.dir, cell, 'trash');
    return existsSync(trash) ? readdirSync(trash) : [];
  };
  const cellsOf = ({ nodes }: ObservedState): string[] => nodes.map(({ backend_id }) => backend_id).sort();
  const nothingLost = async () => {
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
  };

  before(async () => {
    // Longer than leases of two cells that died together end apart.
    herd = await startHerd({ cells: 5, firstPort: 29900, network: 69, controllerArgs: ['--cell-lost-after', '8s'] });
    const on = (...cells: string[]) => ({ 'node-count': cells.length, cells });
    await Promise.all([
      herd.apply('f1', { plan: 'test', parameters: { ...on('cell-1', 'cell-2'), synchronous: true } }),
      herd.apply('f2', { plan: 'test', parameters: on('cell-3') }),
    ]);
    // Where its nodes may go from now on.
    await herd.apply('f1', { plan: 'test', parameters: { 'node-count': 2, synchronous: true } });
    await sql(await herd.uri('f2'), 'create table kept as select 42 as x');
    writer = await new Writer(await herd.uri('f1')).start();
    // Before there is one, only the leader itself may lead again.
    await herd.synchronous('f1');
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('replaces nothing while more than a third of the cells is gone, says why, and takes them back as they were', async () => {
    const before = { f1: await stateOf(herd, 'f1'), f2: await stateOf(herd, 'f2') };
    const data = { f1: dataOf(before.f1), f2: dataOf(before.f2) };
    const ofLeader = before.f1.nodes.find(({ node_id }) => node_id === before.f1.leader)?.backend_id as string;
    const lost = [ofLeader, 'cell-3'];
    await Promise.all(lost.map(lose));
    const { message } = await says(herd, 'f1', 'Degraded', 'ReplacementHeld');
    expect(message).to.include('2 of 5 cells are gone at once').and.to.include(`start the agent of cell ${ofLeader}`);
    // The other node takes over meanwhile.
    await writer.nextAck();
    for (const command of [['status'], ['get', 'cells']]) {
      const { stdout, stderr } = await herd.try(command);
      expect(stdout + stderr).to.include('2 of 5 cells are gone at once, more than a third');
    }
    expect(await herd.run('get', 'events', 'fleet')).to.include('BrakeApplied');
    // Longer than the replacement of a lost cell takes to begin.
    await until(
      'both to be gone for longer than it takes to be lost',
      async () => {
        const since = (await herd.pairs('/cells/health/')).flatMap(([, text]) => {
          const { health, since } = JSON.parse(text);
          return health === 'Registered' ? [] : [Date.parse(since)];
        });
        return since.length === 2 && since.every((ms) => ms < Date.now() - 12_000);
      },
      { withinMs: 90_000, everyMs: 500 },
    );
    for (const id of ['f1', 'f2'] as const) expect((await stateOf(herd, id)).nodes).to.deep.equal(before[id].nodes);
    expect(await herd.keys('/cells/assignments/')).to.have.length(3);

    for (const cell of lost) daemonOf(cell).start();
    await Promise.all(['f1', 'f2'].map((id) => herd.ready(id)));
    for (const id of ['f1', 'f2'] as const) {
      const after = await stateOf(herd, id);
      expect(after.nodes).to.deep.equal(before[id].nodes);
      expect(dataOf(after)).to.deep.equal(data[id]);
    }
    for (const { name } of herd.cells) expect(trashOf(name)).to.deep.equal([]);
    expect(await sql(await herd.uri('f2'), 'select x from kept')).to.deep.equal([{ x: 42 }]);
    await until('the brake is off', async () => !(await herd.run('status')).includes('No node is replaced'));
    await nothingLost();
  });

  it('keeps the last copy that is on a lost cell, says so, and forgets the cell only if the data may be lost', async () => {
    const { allocated_port } = await stateOf(herd, 'f2');
    const page = new OperatingPage(herd, 'lost-cell.md');
    await lose('cell-3');
    await isLost('cell-3');
    const { message } = await says(herd, 'f2', 'Degraded', 'LastCopyLost');
    expect(message).to.match(/^last copy is on lost cell cell-3 .*: bring the cell back; .*--accept-data-loss$/);
    expect(await page.run('get cells')).to.match(/cell-3 .*Lost/);
    expect(await page.refused('forget cell cell-3')).to.include('cell cell-3 has the last copy of f2: bring it back');
    expect(await herd.run('status')).to.include('last copy is on lost cell cell-3');
    daemonOf('cell-3').start();
    await page.run('wait f2');
    expect(await sql(await herd.uri('f2'), 'select x from kept')).to.deep.equal([{ x: 42 }]);

    await herd.apply('f2', { plan: 'test', parameters: { 'node-count': 1 } });
    await lose('cell-3');
    await until('the agent is gone', async () => (await herd.keys('/cells/registered/cell-3')).length === 0);
    expect(await page.run('forget cell cell-3 --accept-data-loss')).to.equal('cell-3 is forgotten\n');
    await page.run('wait f2');
    page.end();
    const after = await stateOf(herd, 'f2');
    expect(after.allocated_port).to.equal(allocated_port);
    expect((await sql(await herd.uri('f2'), "select to_regclass('kept') as kept"))[0]).to.deep.equal({ kept: null });
  });

  it('replaces the nodes of a forgotten cell at once, and runs nothing there should it come back', async () => {
    const { leader, nodes } = await stateOf(herd, 'f1');
    const replica = nodes.find(({ node_id }) => node_id !== leader);
    const cell = replica?.backend_id as string;
    expect((await herd.try(['forget', 'cell', cell])).stderr).to.include('is there: drain it');
    await lose(cell);
    await until('the agent is gone', async () => (await herd.keys(`/cells/registered/${cell}`)).length === 0);
    expect(await herd.run('forget', 'cell', cell)).to.equal(`${cell} is forgotten\n`);
    await herd.ready('f1');
    expect(cellsOf(await stateOf(herd, 'f1'))).to.not.include(cell);
    expect(
      (await herd.keys('/')).filter((key) => key.includes(cell) && !key.startsWith('/pgherd/events/')),
    ).to.deep.equal([]);
    daemonOf(cell).start();
    await until('the old data are put aside', () =>
      trashOf(cell).some((name) => name.startsWith(replica?.node_id as string)),
    );
    expect(processesOn(cell)).to.deep.equal([]);
    await nothingLost();
  });
});
