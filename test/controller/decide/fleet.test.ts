import { expect } from 'chai';
import fc from 'fast-check';
import { blindness } from '../../../src/controller/decide/brake.ts';
import { decideFleet, type FleetCell } from '../../../src/controller/decide/fleet.ts';
import { type CellHealth, cellHealthKey } from '../../../src/schema/cell-health.ts';
import type { CellId } from '../../../src/schema/ids.ts';
import { herdOfFive, herdWithF1, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const health = (world: World, cell: string): CellHealth | undefined => world.json(cellHealthKey(cell as CellId));
const minutes = (count: number): number => count * 60_000;

/** Loses cells of a herd whose f1 has three nodes on distinct zones, and lets the fleet be judged. */
function lose(simulation: Simulation, ...cells: string[]): World {
  const { world } = simulation;
  world.fleetPass();
  for (const cell of cells) simulation.loseCell(cell as CellId);
  return world;
}
const cellsOf = (world: World): string[] => world.state('f1').nodes.map(({ backend_id }) => backend_id);

describe('decideFleet()', () => {
  it('writes down every cell once, and then nothing', () => {
    const { world } = herdOfFive();
    expect(world.fleetPass().ops).to.have.length(5);
    expect(health(world, 'n3')).to.deep.include({ health: 'Registered', zone: 'z2' });
    expect(world.fleetPass().ops).to.deep.equal([]);
  });

  it('suspects a cell whose agent is gone, and takes it for lost after five minutes', () => {
    const simulation = herdWithF1();
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    expect(world.fleetPass().events.map(({ reason }) => reason)).to.deep.equal(['CellSuspect']);
    expect(world.fleetPass(minutes(4)).ops).to.deep.equal([]);
    expect(health(world, cell)?.health).to.equal('Suspect');
    expect(world.fleetPass(minutes(1)).events[0]?.message).to.match(
      new RegExp(`^the agent of cell ${cell} is gone since 2026-.*, and Patroni hears of none of its nodes$`),
    );
    expect(health(world, cell)?.health).to.equal('Lost');
  });

  it('suspects a cell that says that its runtime is ill', () => {
    const { world } = herdOfFive();
    world.fleetPass();
    world.cell('n1', 'z1', { problem: 'the disk is read-only' });
    world.fleetPass();
    expect(health(world, 'n1')).to.deep.include({ health: 'Suspect', reason: 'cell n1 says: the disk is read-only' });
  });

  it('takes no cell for lost while Patroni hears of a node on it', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.fleetPass();
    const [cell] = cellsOf(world) as [string];
    world.delete(`/cells/registered/${cell}`);
    world.fleetPass();
    expect(world.fleetPass(minutes(60)).requeueAfterMs).to.equal(2000);
    expect(health(world, cell)?.health).to.equal('Suspect');
    simulation.loseCell(cell as CellId);
    world.fleetPass();
    expect(health(world, cell)?.health).to.equal('Lost');
  });

  it('remembers since when across controllers, but believes a new one only after a minute', () => {
    const simulation = herdWithF1();
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.fleetPass();
    world.fleetPass(minutes(4));
    world.restartController();
    expect(world.fleetPass(minutes(2)).requeueAfterMs).to.equal(60_000);
    world.fleetPass(minutes(1));
    expect(health(world, cell)?.health).to.equal('Lost');
  });

  for (const jump of [-3600, 3600]) {
    it(`is not fooled by a clock that jumps by ${jump} s`, () => {
      const simulation = herdWithF1();
      const [cell] = cellsOf(simulation.world) as [string];
      const world = lose(simulation, cell);
      world.fleetPass();
      world.nowMs += jump * 1000;
      world.fleetPass(30_000);
      expect(health(world, cell)?.health).to.equal('Suspect');
      world.fleetPass(minutes(5));
      expect(health(world, cell)?.health).to.equal('Lost');
    });
  }

  it('waits for the whole time when nobody can read since when', () => {
    const simulation = herdWithF1();
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.fleetPass();
    world.put(cellHealthKey(cell as CellId), { ...health(world, cell), since: 'yesterday' });
    expect(world.fleetPass(minutes(2)).ops).to.deep.equal([]);
    world.fleetPass(minutes(3));
    expect(health(world, cell)?.health).to.equal('Lost');
  });

  it('says so when a cell is back', () => {
    const simulation = herdWithF1();
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.fleetPass();
    simulation.returnCell(cell as CellId, 'z1');
    expect(world.fleetPass().events.map(({ reason }) => reason)).to.deep.equal(['CellBack']);
    expect(health(world, cell)?.health).to.equal('Registered');
  });

  it('brakes when more than a third of the fleet is gone at once, and takes nothing for lost then', () => {
    const simulation = herdWithF1();
    const [one, two] = cellsOf(simulation.world) as [string, string];
    const world = lose(simulation, one, two);
    world.fleetPass();
    expect(world.json('/cells/brake'))
      .to.have.property('reason')
      .that.matches(/^2 of 5 cells are gone at once/);
    world.fleetPass(minutes(60));
    expect([one, two].map((cell) => health(world, cell)?.health)).to.deep.equal(['Suspect', 'Suspect']);
    simulation.returnCell(one as CellId, 'z1');
    world.fleetPass();
    expect(health(world, two)?.health, 'it may be the next to come back').to.equal('Suspect');
    expect(world.json('/cells/brake'))
      .to.have.property('reason')
      .that.includes('enough cells are there again, not all');
    expect(world.fleetPass(minutes(1)).events.map(({ reason }) => reason)).to.include('BrakeReleased');
    world.fleetPass();
    expect(health(world, two)?.health).to.equal('Lost');
    expect(world.text('/cells/brake')).to.equal(undefined);
  });

  it('releases the brake at once when all are back, and takes it up again when they go once more', () => {
    const simulation = herdWithF1();
    const [one, two] = cellsOf(simulation.world) as [string, string];
    const world = lose(simulation, one, two);
    world.fleetPass();
    simulation.returnCell(one as CellId, 'z1');
    world.fleetPass();
    simulation.loseCell(one as CellId);
    world.fleetPass();
    expect(world.json('/cells/brake'))
      .to.have.property('reason')
      .that.matches(/^2 of 5 cells/);
    for (const cell of [one, two]) simulation.returnCell(cell as CellId, 'z1');
    expect(world.fleetPass().events.map(({ reason }) => reason)).to.include('BrakeReleased');
    expect(world.text('/cells/brake')).to.equal(undefined);
  });

  it('forgets a cell that is gone for good once it holds nothing, with what was said about it', () => {
    const { world } = herdOfFive();
    world.fleetPass();
    world.delete('/cells/registered/n5');
    world.put('/cells/maintenance/n5', { mode: 'forget' });
    world.fleetPass();
    expect(world.keys('/cells/').filter((key) => key.endsWith('/n5'))).to.deep.equal([]);
  });

  it('does not forget a cell that is there after all', () => {
    const { world } = herdOfFive();
    world.put('/cells/maintenance/n5', { mode: 'forget' });
    world.fleetPass();
    expect(world.text('/cells/maintenance/n5')).to.equal(undefined);
    expect(world.text('/cells/registered/n5')).to.not.equal(undefined);
  });

  it('never takes a cell for lost that is well, nor before its time, whatever was said before', () => {
    fc.assert(
      fc.property(fc.array(fleetCell, { maxLength: 8 }), fc.integer({ min: 0, max: 600_000 }), (cells, atMs) => {
        const now = new Date(Date.UTC(2026, 0, 1) + atMs);
        const distinct = cells.map((each, at) => ({ ...each, cell: { ...each.cell, id: `n${at}` as CellId } }));
        const { ops } = decideFleet({ cells: distinct, brake: undefined, lostAfterMs: 300_000 }, now);
        for (const op of ops) {
          if (op.type !== 'put' || !op.value.includes('"Lost"')) continue;
          const each = distinct.find(({ cell }) => op.key === cellHealthKey(cell.id)) as FleetCell;
          expect(each.cell.registration).to.equal(undefined);
          expect(each.members).to.equal(0);
          expect(each.seenIllMs).to.be.at.least(60_000);
          expect(blindness(distinct)).to.equal(undefined);
        }
      }),
    );
  });
});

const fleetCell: fc.Arbitrary<FleetCell> = fc
  .record({
    isThere: fc.boolean(),
    says: fc.constantFrom('Registered' as const, 'Suspect' as const, 'Lost' as const, undefined),
    nodes: fc.integer({ min: 0, max: 2 }),
    members: fc.integer({ min: 0, max: 1 }),
    seenIllMs: fc.integer({ min: 0, max: 400_000 }),
    zone: fc.constantFrom('z1', 'z2'),
  })
  .map(({ isThere, says, nodes, members, seenIllMs, zone }) => {
    const value = { health: says ?? ('Registered' as const), since: '2026-01-01T00:00:00.000Z', zone };
    const registration = {
      cell: 'x',
      hostname: 'x',
      address: 'x',
      zone,
      labels: {},
      capacity: { nodes: 1, memory_mb: 1 },
    };
    return {
      cell: {
        id: 'x' as CellId,
        registration: isThere
          ? { ok: true as const, value: { ...registration, runtime: 'x', version: '0', boot_id: '1' } }
          : undefined,
        inMaintenance: false,
        health: says && { value, createRevision: 1n, modRevision: 1n },
        nodes,
        memoryMb: 0,
      },
      members,
      reported: nodes,
      seenIllMs,
    };
  });

describe('blindness()', () => {
  const fleet = (zones: readonly string[], gone: readonly number[], empty: readonly number[] = []) => {
    const world = new World();
    for (const [at, zone] of zones.entries()) world.cell(`n${at}`, zone);
    world.fleetPass();
    for (const at of gone) {
      world.delete(`/cells/registered/n${at}`);
      if (!empty.includes(at)) world.put(`/cells/assignments/n${at}/f1-aaaaa${at}`, 'x');
    }
    return blindness(world.fleet().cells);
  };
  const situations: readonly [string, string | undefined, ReturnType<typeof fleet>][] = [
    ['nothing is gone', undefined, fleet(['z1', 'z2'], [])],
    ['one of two is gone', undefined, fleet(['z1', 'z2'], [0])],
    ['two of six are gone', undefined, fleet(['z1', 'z1', 'z1', 'z2', 'z2', 'z2'], [0, 3])],
    ['two of five are gone', '2 of 5 cells', fleet(['z1', 'z1', 'z1', 'z2', 'z2'], [0, 3])],
    ['a zone of two is gone', 'all cells of zone z1', fleet(['z1', 'z1', 'z2', 'z2', 'z2', 'z2'], [0, 1])],
    ['a zone of one is gone, and another', undefined, fleet(['z1', 'z2', 'z3', 'z3', 'z3', 'z3'], [0, 1])],
    ['three of five are gone and hold nothing', undefined, fleet(['z1', 'z1', 'z1', 'z2', 'z2'], [0, 1, 3], [0, 1, 3])],
  ];
  for (const [what, expected, found] of situations) {
    it(`${expected ? `is “${expected} …”` : 'is none'} when ${what}`, () => {
      if (expected === undefined) expect(found).to.equal(undefined);
      else expect(found).to.match(new RegExp(`^${expected}`));
    });
  }
});

describe('decide() for a lost cell', () => {
  /** f1 with these parameters, one of its cells lost; settled. */
  function lost(parameters: object, ...more: object[]) {
    const simulation = herdWithF1(parameters, ...(more as []));
    const { world } = simulation;
    const [cell] = cellsOf(world) as [string];
    lose(simulation, cell);
    world.fleetPass();
    world.fleetPass(minutes(5));
    return { simulation, world, cell };
  }

  it('replaces the node: replacement first, streaming next, and the lost one goes then', () => {
    const { simulation, world, cell } = lost({ 'node-count': 3 });
    const assigned = () => world.keys('/cells/assignments/').map((key) => key.split('/')[3]);
    // The others elect a leader if it was the lost one that led.
    simulation.stepAll(['f1']);
    simulation.stepAll(['f1']);
    world.pass('f1');
    expect(assigned()).to.have.length(4).and.include(cell);
    expect(world.condition('f1', 'Placed')?.message).to.match(
      new RegExp(`on lost cell ${cell}: a replacement was placed on n\\d$`),
    );
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('CellLost');
    const placed = assigned();
    expect(world.pass('f1').ops, 'until an agent begins to start the replacement').to.deep.equal([]);
    expect(assigned()).to.deep.equal(placed);
    for (const name of simulation.cells()) simulation.stepCell(name);
    world.pass('f1');
    expect(assigned(), 'before the replacement streams').to.have.length(4).and.include(cell);
    simulation.settle(['f1']);
    expect(assigned()).to.have.length(3).and.not.include(cell);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.condition('f1', 'Degraded')).to.equal(undefined);
    expect(world.keys(`/cells/observed/${cell}/`), 'what it may still hold').to.have.length(1);
  });

  it('drops the lost node no more when its cell comes back at that moment', () => {
    const { simulation, world, cell } = lost({ 'node-count': 2 });
    let decision = world.decide('f1');
    const drops = () => decision.events.some(({ reason }) => reason === 'NodeLost');
    for (let round = 0; !drops(); round++) {
      if (round === 50) throw new Error('the lost node stays');
      world.commit(decision);
      simulation.stepAll(['f1']);
      decision = world.decide('f1');
    }
    world.put(`/cells/health/${cell}`, { health: 'Registered', since: '', zone: 'z1' });
    expect(world.commit(decision)).to.equal(false);
    expect(cellsOf(world)).to.include(cell);
  });

  it('leaves a node alone that Patroni hears of again, although its cell was found to be lost', () => {
    const { simulation, world, cell } = lost({ 'node-count': 3 });
    simulation.stepAll(['f1']);
    simulation.stepAll(['f1']);
    const node = world.state('f1').nodes.find(({ backend_id }) => backend_id === cell)?.node_id;
    const other = world.state('f1').nodes.find(({ backend_id }) => backend_id !== cell)?.node_id;
    const heard = { ...world.json<object>(`/service/f1/members/${other}`), role: 'replica' };
    world.put(`/service/f1/members/${node}`, heard);
    world.pass('f1');
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('CellGone');
  });

  it('keeps the data of a cell that comes back aside, and runs nothing there', () => {
    const { simulation, world, cell } = lost({ 'node-count': 2 });
    simulation.settle(['f1']);
    const [key] = world.keys(`/cells/observed/${cell}/`) as [string];
    simulation.returnCell(cell as CellId, 'z1');
    world.fleetPass();
    simulation.settle(['f1']);
    expect(world.text(key)).to.equal(undefined);
    expect([...simulation.data.keys()], 'data that is kept').to.include(key.split('/')[4]);
    expect([...simulation.running.keys()]).to.not.include(key.split('/')[4]);
    expect(cellsOf(world)).to.not.include(cell);
  });

  it('goes on with the old node when its cell is back before a replacement streams', () => {
    const { simulation, world, cell } = lost({ 'node-count': 3 });
    simulation.stepAll(['f1']);
    simulation.stepAll(['f1']);
    world.pass('f1');
    simulation.returnCell(cell as CellId, 'z1');
    world.fleetPass();
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.have.length(3);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('leaves the last copy alone, and says what to do', () => {
    const { simulation, world, cell } = lost({ 'node-count': 1 });
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.have.length(1);
    expect(world.condition('f1', 'Degraded')?.message).to.match(
      new RegExp(
        `^last copy is on lost cell ${cell} .*: bring the cell back; .*pgherd forget cell ${cell} --accept-data-loss$`,
      ),
    );
    simulation.returnCell(cell as CellId, 'z1');
    world.fleetPass();
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(cellsOf(world)).to.deep.equal([cell]);
  });

  it('replaces nothing while the fleet brakes, and says so', () => {
    const { simulation, world } = lost({ 'node-count': 3 });
    simulation.stepAll(['f1']);
    world.put('/cells/brake', { since: '2026-01-01T00:00:00Z', reason: '2 of 5 cells are gone at once' });
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('ReplacementHeld');
    world.delete('/cells/brake');
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Degraded')).to.equal(undefined);
  });

  it('says of a node whose cell is only suspect that nothing is replaced while the fleet brakes', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.put('/cells/brake', { since: '2026-01-01T00:00:00Z', reason: '2 of 5 cells are gone at once' });
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')).to.deep.include({
      reason: 'ReplacementHeld',
      message: `node ${world.state('f1').nodes.find(({ backend_id }) => backend_id === cell)?.node_id} is not looked after: start the agent of cell ${cell}; 2 of 5 cells are gone at once`,
    });
  });

  it('waits for its turn when many nodes are being replaced', () => {
    const { simulation, world } = lost({ 'node-count': 3 });
    simulation.stepAll(['f1']);
    simulation.stepAll(['f1']);
    const view = world.view('f1');
    const decision = world.decideOn({ ...view, herd: { ...view.herd, moves: 0 } });
    expect(decision.moves).to.equal(0);
    expect(decision.placements).to.deep.equal([]);
    expect(decision.requeueAfterMs).to.be.within(2000, 4000);
    expect(world.decide('f1').moves).to.equal(1);
  });

  it('says what it lacks when no cell can take a replacement', () => {
    const simulation = herdWithF1({ 'node-count': 3, cells: ['n1', 'n3', 'n5'] });
    const world = lose(simulation, 'n1');
    world.fleetPass();
    world.fleetPass(minutes(5));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Placed')?.message).to.match(/on lost cell n1 cannot be replaced: no cell among/);
    expect(world.keys('/cells/assignments/')).to.have.length(3);
  });

  it('replaces both of two nodes, one after the other', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    for (const cell of ['n6', 'n7', 'n8', 'n9']) world.cell(cell, 'z4');
    world.fleetPass();
    const [one, two] = cellsOf(world) as [string, string];
    lose(simulation, one, two);
    world.fleetPass();
    world.fleetPass(minutes(5));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(cellsOf(world)).to.have.length(3).and.not.include(one).and.not.include(two);
  });

  it('gives up a node of a forgotten cell at once, with the report of it', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.put(`/cells/maintenance/${cell}`, { mode: 'forget' });
    simulation.settle(['f1']);
    world.fleetPass();
    expect(world.keys('/cells/').filter((key) => key.includes(`/${cell}`))).to.deep.equal([]);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('gives up the last copy only when operators accept that', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.put(`/cells/maintenance/${cell}`, { mode: 'forget' });
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.have.length(1);
    world.put(`/cells/maintenance/${cell}`, { mode: 'forget', accept_data_loss: true });
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/').filter((key) => key.includes(`/${cell}/`))).to.deep.equal([]);
  });

  it('begins anew on another cell, with the same port and accounts, when all copies were given up', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { endpoint, app_credentials, nodes } = simulation.world.state('f1');
    const cells = cellsOf(simulation.world);
    const leader = simulation.world.text('/service/f1/leader') as string;
    const world = lose(simulation, ...cells);
    world.put('/service/f1/leader', leader);
    for (const cell of cells) world.put(`/cells/maintenance/${cell}`, { mode: 'forget', accept_data_loss: true });
    world.pass('f1');
    expect(world.condition('f1', 'Placed')?.reason, 'until the lease of the leader ends').to.equal('StartingOver');
    expect(world.state('f1').nodes).to.deep.equal(nodes);
    world.delete('/service/f1/leader');
    world.pass('f1');
    expect(world.keys('/service/f1/')).to.deep.equal(['/service/f1/state']);
    simulation.settle(['f1']);
    world.fleetPass();
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1')).to.deep.include({ endpoint, app_credentials });
    expect(cellsOf(world)).to.not.include.members(cells);
    expect(world.keys('/cells/').filter((key) => cells.some((cell) => key.includes(`/${cell}`)))).to.deep.equal([]);
  });

  it('lets an instance be deleted whose node is on a forgotten cell', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const [cell] = cellsOf(simulation.world) as [string];
    const world = lose(simulation, cell);
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.keys('/cells/observed/')).to.have.length(1);
    world.put(`/cells/maintenance/${cell}`, { mode: 'forget' });
    simulation.settle(['f1']);
    world.fleetPass();
    expect(world.keys().filter((key) => key.includes('f1'))).to.deep.equal([]);
  });

  it('places nothing on a cell that is suspect or cordoned, and the last on one whose disk is nearly full', () => {
    const { world } = herdOfFive();
    world.delete('/cells/registered/n1');
    world.put('/cells/maintenance/n2', { mode: 'cordon' });
    world.cell('n3', 'z2', { problem: 'ill' });
    world.cell('n4', 'z2', { disk: { directory: '/data', used_percent: 91 } });
    world.apply('f1', standard({ 'node-count': 3 }));
    world.pass('f1');
    expect(
      world
        .state('f1')
        .nodes.map(({ backend_id }) => backend_id)
        .sort(),
    ).to.deep.equal(['n4', 'n5']);
    world.apply('f2', { plan: 'small' });
    world.pass('f2');
    expect(world.state('f2').nodes[0]?.backend_id).to.equal('n5');
  });
});
