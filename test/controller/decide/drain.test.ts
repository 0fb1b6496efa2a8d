import { expect } from 'chai';
import fc from 'fast-check';
import { type Movable, planRebalance } from '../../../src/controller/decide/rebalance.ts';
import { moveKey } from '../../../src/schema/cell-health.ts';
import type { CellId, InstanceId, NodeId } from '../../../src/schema/ids.ts';
import { failoverKey, leaderKey } from '../../../src/schema/patroni.ts';
import { herdWithF1, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const f1 = 'f1' as InstanceId;
const cellsOf = (world: World): string[] => world.state('f1').nodes.map(({ backend_id }) => backend_id);
const leader = ({ world }: Simulation): NodeId => world.text(leaderKey(f1)) as NodeId;
const cellOf = ({ world }: Simulation, node: string): string =>
  world.state('f1').nodes.find(({ node_id }) => node_id === node)?.backend_id as string;
const drain = (world: World, cell: string, more: object = {}): void =>
  world.put(`/cells/maintenance/${cell}`, { mode: 'drain', reason: '', ...more });

describe('decide() for a draining cell', () => {
  it('moves a replica: its replacement streams before it goes', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    const replica = world.state('f1').nodes.find(({ node_id }) => node_id !== leader(simulation));
    drain(world, replica?.backend_id as string);
    world.pass('f1');
    expect(world.keys('/cells/assignments/')).to.have.length(4);
    world.pass('f1');
    expect(world.keys('/cells/assignments/').filter((key) => world.text(key)?.includes('removed'))).to.deep.equal([]);
    const led = leader(simulation);
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.have.length(3).and.not.include(replica?.backend_id);
    expect(world.keys(`/cells/assignments/${replica?.backend_id}/`)).to.deep.equal([]);
    expect(leader(simulation), 'nobody switches over for a replica').to.equal(led);
  });

  it('switches a leader over before anything else', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    const old = leader(simulation);
    drain(world, cellOf(simulation, old));
    world.pass('f1');
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.json<{ leader: string }>(failoverKey(f1))?.leader).to.equal(old);
    simulation.settle(['f1']);
    expect(world.state('f1').nodes.map(({ node_id }) => node_id)).to.not.include(old);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('moves the only node by growing to two, switching over and shrinking', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const { world } = simulation;
    const old = leader(simulation);
    const amount = simulation.data.get(old) as number;
    drain(world, cellOf(simulation, old));
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.have.length(1);
    expect(leader(simulation)).to.not.equal(old);
    expect(simulation.data.get(leader(simulation))).to.be.at.least(amount);
    expect(world.pass('f1').ops).to.deep.equal([]);
  });

  it('moves one node of an instance at a time when two cells drain', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    for (const cell of ['n6', 'n7']) world.cell(cell, 'z4');
    const cells = cellsOf(world).slice(0, 2);
    for (const cell of cells) drain(world, cell);
    for (let round = 0; round < 60; round++) {
      world.pass('f1');
      expect(world.keys('/cells/assignments/').length).to.be.at.most(4);
      simulation.stepAll(['f1']);
    }
    simulation.settle(['f1']);
    for (const cell of cells) expect(cellsOf(world)).to.not.include(cell);
  });

  it('says why a node stays: no room', () => {
    const simulation = herdWithF1({ 'node-count': 3, cells: ['n1', 'n3', 'n5'] });
    const { world } = simulation;
    drain(world, 'n3');
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.include('n3');
    expect(world.condition('f1', 'Placed')?.message).to.match(/on draining cell n3 cannot be replaced: no cell among/);
    expect(leader(simulation), 'clients are moved all the same').to.satisfy((node: string) => !isOn(world, 'n3', node));
  });

  it('leaves a paused instance alone', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    const [cell] = cellsOf(world) as [string];
    world.apply('f1', standard({ 'node-count': 2 }, { paused: true }));
    drain(world, cell);
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.include(cell);
  });

  it('begins nothing after the deadline, and ends what was begun', () => {
    for (const begun of [false, true]) {
      const simulation = herdWithF1({ 'node-count': 2 });
      const { world } = simulation;
      const replica = world.state('f1').nodes.find(({ node_id }) => node_id !== leader(simulation))
        ?.backend_id as string;
      drain(world, replica, { deadline: new Date(world.nowMs + 5000).toISOString() });
      if (begun) expect(world.pass('f1').requeueAfterMs).to.equal(4000);
      world.nowMs += 10_000;
      simulation.settle(['f1']);
      expect(cellsOf(world).includes(replica)).to.equal(!begun);
      expect(cellsOf(world)).to.have.length(2);
    }
  });

  it('goes back on a drain that was taken back, whatever had been done', () => {
    for (let passes = 0; passes < 8; passes++) {
      const simulation = herdWithF1({ 'node-count': 2 });
      const { world } = simulation;
      const cell = cellOf(simulation, leader(simulation));
      drain(world, cell);
      for (let pass = 0; pass < passes; pass++) {
        world.pass('f1');
        simulation.stepAll(['f1']);
      }
      world.delete(`/cells/maintenance/${cell}`);
      simulation.settle(['f1']);
      expect(cellsOf(world)).to.have.length(2);
      expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    }
  });
});

const isOn = (world: World, cell: string, node: string): boolean =>
  world.keys(`/cells/assignments/${cell}/`).some((key) => key.endsWith(node));

describe('decide() for a node that operators want to leave a crowded cell', () => {
  it('moves it, and removes the wish with it', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    const { node_id, backend_id } = world.state('f1').nodes.find((node) => node.node_id !== leader(simulation)) as {
      node_id: string;
      backend_id: string;
    };
    world.put(moveKey(backend_id as CellId, node_id as NodeId), {});
    simulation.settle(['f1']);
    expect(cellsOf(world)).to.have.length(2).and.not.include(backend_id);
    expect(world.keys('/cells/moves/')).to.deep.equal([]);
  });
});

describe('planRebalance()', () => {
  /** A herd whose cell n1 was alone for a while. */
  function crowded() {
    const world = new World();
    world.cell('n1', 'z1');
    for (const cell of ['n2', 'n3']) world.cell(cell, 'z2');
    const { cells } = world.view('nobody').herd;
    const loaded = [...cells.values()].map((cell) => ({ ...cell, nodes: cell.id === 'n1' ? 6 : 0 }));
    const nodes: Movable[] = Array.from({ length: 6 }, (_, at) => ({
      node: `f${at}-aaaaaa` as NodeId,
      instance: `f${at}`,
      cell: 'n1' as CellId,
      memoryMb: 256,
      pool: {},
      others: [],
    }));
    return { loaded, nodes };
  }

  it('evens the cells out, and stops when they are even', () => {
    const { loaded, nodes } = crowded();
    const moves = planRebalance(loaded, nodes, 100);
    expect(moves.map(({ to }) => to)).to.deep.equal(['n2', 'n3', 'n2', 'n3']);
  });

  it('moves no more than the budget allows', () => {
    const { loaded, nodes } = crowded();
    expect(planRebalance(loaded, nodes, 1)).to.have.length(1);
  });

  it('moves nothing to where the pool does not reach, nor to a cell that has a node of the instance', () => {
    const { loaded, nodes } = crowded();
    const bound = nodes.map((node, at) =>
      at % 2 ? { ...node, pool: { zones: ['z1'] } } : { ...node, others: ['n2', 'n3'] as CellId[] },
    );
    expect(planRebalance(loaded, bound, 100)).to.deep.equal([]);
  });

  it('ends, never widens the gap, and moves one node of an instance at most', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 2, maxLength: 6 }), (counts) => {
        const world = new World();
        for (const at of counts.keys()) world.cell(`n${at}`, `z${at % 2}`);
        const cells = [...world.view('nobody').herd.cells.values()].map((cell, at) => ({
          ...cell,
          nodes: counts[at] ?? 0,
        }));
        const nodes = cells.flatMap((cell) =>
          Array.from({ length: cell.nodes }, (_, at): Movable => {
            const instance = `f${at}`;
            const node = `${instance}-${cell.id}` as NodeId;
            const others = cells.filter((other) => other !== cell && other.nodes > at).map(({ id }) => id);
            return { node, instance, cell: cell.id, memoryMb: 1, pool: {}, others };
          }),
        );
        const moves = planRebalance(cells, nodes, 1000);
        expect(new Set(moves.map(({ node }) => node.split('-')[0])).size).to.equal(moves.length);
        const after = new Map(cells.map(({ id, nodes: count }) => [id, count]));
        const spread = () => Math.max(...after.values()) - Math.min(...after.values());
        const before = spread();
        for (const { from, to } of moves) {
          after.set(from, (after.get(from) ?? 0) - 1);
          after.set(to, (after.get(to) ?? 0) + 1);
        }
        expect(spread()).to.be.at.most(before);
      }),
    );
  });
});
