import { expect } from 'chai';
import type { InstanceId, NodeId } from '../../../src/schema/ids.ts';
import { observedPrefix } from '../../../src/schema/observed-node.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { herdWithF1 } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const minutes = (count: number): number => count * 60_000;
const leader = ({ world }: Simulation): NodeId => world.text(leaderKey('f1' as InstanceId)) as NodeId;
const nodeIds = ({ world }: Simulation): NodeId[] => world.state('f1').nodes.map(({ node_id }) => node_id as NodeId);
const replicas = (simulation: Simulation): NodeId[] => nodeIds(simulation).filter((id) => id !== leader(simulation));
const reportKey = ({ world }: Simulation, node: NodeId): string =>
  world.keys(observedPrefix).find((key) => key.endsWith(`/${node}`)) as string;

/** f1 with `count` nodes, of which some replicas fell behind and cannot follow any more. */
function broken(count: number, ill = 1): { simulation: Simulation; victims: NodeId[] } {
  const simulation = herdWithF1({ 'node-count': count });
  const victims = replicas(simulation).slice(0, ill);
  for (const victim of victims) {
    simulation.broken.add(victim);
    simulation.data.set(victim, 1);
  }
  simulation.settle(['f1']);
  return { simulation, victims };
}

describe('decide() for a replica that cannot follow', () => {
  it('waits five minutes: Patroni may rewind it', () => {
    const { simulation, victims } = broken(3);
    const { world } = simulation;
    expect(world.state('f1').unwell?.map(({ node }) => node)).to.deep.equal(victims);
    world.nowMs += minutes(4);
    expect(world.decide('f1').ops).to.deep.equal([]);
    expect(world.decide('f1').requeueAfterMs).to.be.within(1, minutes(1));
  });

  it('builds it anew from the leader then, and is well again', () => {
    const { simulation, victims } = broken(3);
    const { world } = simulation;
    const led = leader(simulation);
    world.nowMs += minutes(5);
    simulation.settle(['f1']);
    expect(nodeIds(simulation)).to.have.length(3).and.not.include(victims[0]);
    expect(leader(simulation)).to.equal(led);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1').unwell).to.equal(undefined);
    expect(world.state('f1').repairs).to.have.length(1);
  });

  it('builds the only replica anew, too', () => {
    const { simulation, victims } = broken(2);
    simulation.world.nowMs += minutes(5);
    simulation.settle(['f1']);
    expect(nodeIds(simulation)).to.have.length(2).and.not.include(victims[0]);
  });

  it('builds two anew, one after the other, while a third streams', () => {
    const { simulation, victims } = broken(4, 2);
    const { world } = simulation;
    world.nowMs += minutes(5);
    for (let round = 0; round < 60; round++) {
      world.pass('f1');
      const removed = world.keys('/cells/assignments/').filter((key) => world.text(key)?.includes('"removed"'));
      expect(removed.length).to.be.at.most(1);
      simulation.stepAll(['f1']);
    }
    simulation.settle(['f1']);
    for (const victim of victims) expect(nodeIds(simulation)).to.not.include(victim);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('touches none when no replica follows: they may be what is left', () => {
    const { simulation, victims } = broken(3, 2);
    const { world } = simulation;
    world.nowMs += minutes(60);
    simulation.settle(['f1']);
    expect(nodeIds(simulation)).to.include.members(victims);
    expect(world.condition('f1', 'Degraded')?.message).to.match(
      /^none of the replicas .* follows .*; check the network/,
    );
  });

  it('gives up after three times an hour, says so, and goes on an hour later', () => {
    const { simulation } = broken(3);
    const { world } = simulation;
    for (let time = 0; time < 4; time++) {
      world.nowMs += minutes(6);
      simulation.settle(['f1']);
      const [victim] = replicas(simulation) as [NodeId];
      if (time === 3) break;
      simulation.broken.add(victim);
      simulation.data.set(victim, 1);
      simulation.settle(['f1']);
    }
    const before = nodeIds(simulation);
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('RepairsExhausted');
    expect(world.decide('f1').requeueAfterMs).to.be.within(1, minutes(60));
    world.nowMs += minutes(60);
    simulation.settle(['f1']);
    expect(nodeIds(simulation)).to.not.deep.equal(before);
    expect(world.condition('f1', 'Degraded')).to.equal(undefined);
  });

  it('counts on for one that starts and crashes in turns', () => {
    const { simulation, victims } = broken(3);
    const { world } = simulation;
    const before = world.state('f1').unwell;
    expect(before?.map(({ node }) => node)).to.deep.equal(victims);
    const key = `/service/f1/members/${victims[0]}`;
    for (const state of ['crashed', 'running', 'start failed']) {
      world.nowMs += minutes(1);
      world.put(key, { ...world.json<object>(key), state });
      world.pass('f1');
      expect(world.state('f1').unwell, state).to.deep.equal(before);
    }
  });

  const onTheirWay: readonly [string, (simulation: Simulation, node: NodeId) => void][] = [
    [
      'catches up',
      (simulation, node) => {
        const key = reportKey(simulation, leader(simulation));
        simulation.world.put(key, { ...simulation.world.json<object>(key), catching_up: [node] });
      },
    ],
    [
      'is being copied',
      ({ world }, node) => {
        const key = `/service/f1/members/${node}`;
        world.put(key, { ...world.json<object>(key), state: 'creating replica' });
      },
    ],
    [
      'is starting',
      (simulation, node) => {
        const key = reportKey(simulation, node);
        simulation.world.put(key, { ...simulation.world.json<object>(key), state: 'starting' });
      },
    ],
    ['has a cell whose agent is gone', (simulation, node) => goneCell(simulation, node)],
    ['has a leader whose agent is gone', (simulation) => goneCell(simulation, leader(simulation))],
  ];
  for (const [what, change] of onTheirWay) {
    it(`leaves one alone that ${what}`, () => {
      const { simulation, victims } = broken(3);
      const { world } = simulation;
      change(simulation, victims[0] as NodeId);
      for (let pass = 0; pass < 3; pass++) {
        world.nowMs += minutes(10);
        world.pass('f1');
      }
      expect(world.state('f1').unwell).to.equal(undefined);
      expect(nodeIds(simulation)).to.include(victims[0]);
    });
  }

  it('builds one anew whose agent gave up starting it, and tells the error', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    const [victim] = replicas(simulation) as [NodeId];
    const key = reportKey(simulation, victim);
    const leaders = reportKey(simulation, leader(simulation));
    world.put(key, {
      ...world.json<object>(key),
      state: 'failed',
      last_error: 'could not read file "global/pg_control"',
    });
    world.put(leaders, { ...world.json<object>(leaders), streaming: [] });
    world.pass('f1');
    world.nowMs += minutes(5);
    const { events } = world.pass('f1');
    expect(events.find(({ reason }) => reason === 'ReplicaRebuilt')?.message).to.include('global/pg_control');
    expect(world.text(`/cells/assignments/${key.split('/')[3]}/${victim}`)).to.include('"removed"');
  });

  it('never takes the leader for a replica that cannot follow', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const { world } = simulation;
    const key = reportKey(simulation, leader(simulation));
    world.put(key, { ...world.json<object>(key), state: 'failed' });
    for (let pass = 0; pass < 3; pass++) {
      world.nowMs += minutes(60);
      world.pass('f1');
    }
    expect(world.text(key.replace('observed', 'assignments'))).to.include('"desired":"running"');
  });

  it('says which directory of which cell is filling up, before anything stops', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const { world } = simulation;
    const { node_id, backend_id } = world.state('f1').nodes[0] as { node_id: string; backend_id: string };
    world.cell(backend_id, 'z1', { disk: { directory: '/var/lib/pgherd', used_percent: 93 } });
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.message).to.equal(
      `the disk of node ${node_id} is over 90 % full: free space below /var/lib/pgherd on cell ${backend_id}, or drain the cell`,
    );
    world.cell(backend_id, 'z1', { disk: { directory: '/var/lib/pgherd', used_percent: 94 } });
    expect(world.pass('f1').ops).to.deep.equal([]);
  });
});

function goneCell(simulation: Simulation, node: NodeId): void {
  simulation.world.delete(`/cells/registered/${reportKey(simulation, node).split('/')[3]}`);
}
