import { expect } from 'chai';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { failoverKey, leaderKey } from '../../../src/schema/patroni.ts';
import { herdWithF1 } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const f1 = 'f1' as InstanceId;
const zones: Readonly<Record<string, string>> = { n1: 'z1', n2: 'z1', n3: 'z2', n4: 'z2', n5: 'z3' };
const leader = ({ world }: Simulation) => world.text(leaderKey(f1));
const cellOf = ({ world }: Simulation, node: string | undefined): string =>
  world.state('f1').nodes.find(({ node_id }) => node_id === node)?.backend_id as string;
const replicaCells = (simulation: Simulation): string[] =>
  simulation.world
    .state('f1')
    .nodes.filter(({ node_id }) => node_id !== leader(simulation))
    .map(({ backend_id }) => backend_id);

const nearlyFull = { disk: { directory: '/data', used_percent: 91 } };
const full = {
  disk: { directory: '/data', used_percent: 100 },
  problem: 'data directory /data is full: 3 MB are free',
};
const say = ({ world }: Simulation, cell: string, more: object) => world.cell(cell, zones[cell] as string, more);

describe('decide() for a leader whose disk is full', () => {
  for (const synchronous of [false, true]) {
    it(`lets a ${synchronous ? 'synchronous ' : ''}replica with room lead, before PostgreSQL ends for want of WAL`, () => {
      const simulation = herdWithF1({ 'node-count': 3, synchronous });
      const before = leader(simulation);
      say(simulation, cellOf(simulation, before), full);
      simulation.world.pass('f1');
      expect(simulation.world.condition('f1', 'Degraded')?.message).to.match(/is full, and others have room; .* leads/);
      simulation.settle(['f1']);
      expect(leader(simulation)).to.be.a('string').and.not.equal(before);
      expect(simulation.world.decide('f1').ops).to.deep.equal([]);
    });
  }

  it('goes to the one replica that has room', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const [filling, roomy] = replicaCells(simulation) as [string, string];
    say(simulation, filling, nearlyFull);
    say(simulation, cellOf(simulation, leader(simulation)), full);
    simulation.settle(['f1']);
    expect(cellOf(simulation, leader(simulation))).to.equal(roomy);
  });

  const staying: readonly [string, object, (simulation: Simulation) => void][] = [
    ['it is nearly full only', {}, (simulation) => say(simulation, cellOf(simulation, leader(simulation)), nearlyFull)],
    [
      'the others fill up too',
      {},
      (simulation) => {
        for (const cell of replicaCells(simulation)) say(simulation, cell, nearlyFull);
        say(simulation, cellOf(simulation, leader(simulation)), full);
      },
    ],
    [
      'Patroni might choose the synchronous replica that fills up',
      { synchronous: true },
      (simulation) => {
        say(simulation, replicaCells(simulation)[0] as string, nearlyFull);
        say(simulation, cellOf(simulation, leader(simulation)), full);
      },
    ],
    [
      'there is no other node',
      { 'node-count': 1 },
      (simulation) => say(simulation, cellOf(simulation, leader(simulation)), full),
    ],
    [
      'the cell has another problem',
      {},
      (simulation) => say(simulation, cellOf(simulation, leader(simulation)), { problem: 'no container engine' }),
    ],
  ];
  for (const [why, parameters, change] of staying) {
    it(`stays when ${why}`, () => {
      const simulation = herdWithF1({ 'node-count': 3, ...parameters });
      const before = leader(simulation);
      change(simulation);
      simulation.world.pass('f1');
      expect(simulation.world.text(failoverKey(f1)) ?? '{}').to.equal('{}');
      simulation.settle(['f1']);
      expect(leader(simulation)).to.equal(before);
    });
  }
});
