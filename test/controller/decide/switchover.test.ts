import { expect } from 'chai';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { type ObservedNode, observedKey } from '../../../src/schema/observed-node.ts';
import { failoverKey, leaderKey } from '../../../src/schema/patroni.ts';
import { herdWithF1, standard } from '../support/herd-of-five.ts';
import type { World } from '../support/world.ts';

const f1 = 'f1' as InstanceId;
const leader = (world: World): string => world.text(leaderKey(f1)) as string;
const switchedTo = (world: World): string | undefined => world.json<{ member?: string }>(failoverKey(f1))?.member;
const cellOf = (world: World, node: string): string =>
  world.state('f1').nodes.find(({ node_id }) => node_id === node)?.backend_id as string;
const orderOf = (world: World, node: string): string | undefined =>
  world.json<{ spec_hash: string }>(`/cells/assignments/${cellOf(world, node)}/${node}`)?.spec_hash;

describe('decide(), sparing the leader', () => {
  it('shrinks an instance without a switchover, however badly its leader is placed', () => {
    for (const worst of herdWithF1({ 'node-count': 4 }).world.state('f1').nodes) {
      const simulation = herdWithF1({ 'node-count': 4 });
      const { world } = simulation;
      const request = { leader: leader(world), member: worst.node_id };
      if (worst.node_id !== leader(world)) world.put(failoverKey(f1), request);
      simulation.settle(['f1']);
      expect(leader(world)).to.equal(worst.node_id);
      world.apply('f1', standard({ 'node-count': 2 }));
      simulation.settle(['f1']);
      expect(leader(world), 'who leads').to.equal(worst.node_id);
      expect(world.state('f1').nodes).to.have.length(2);
    }
  });

  it('switches over before the leader is restarted, when all others have been', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    const first = leader(world);
    const before = orderOf(world, first);
    world.apply('f1', standard({ 'node-count': 3, postgresql: { max_connections: 300 } }));
    for (let round = 0; switchedTo(world) === undefined; round++) {
      if (round === 50) throw new Error('nobody was asked to take over');
      world.pass('f1');
      expect(orderOf(world, first), 'what the leader runs with').to.equal(before);
      if (switchedTo(world) === undefined) simulation.stepAll(['f1']);
    }
    simulation.settle(['f1']);
    expect(leader(world)).to.not.equal(first);
    expect(orderOf(world, first)).to.not.equal(before);
  });

  it('hands over to a node that streams, not to one that only runs', () => {
    const simulation = herdWithF1({ 'node-count': 4 });
    const { world } = simulation;
    const old = leader(world);
    const report = observedKey(cellOf(world, old) as never, old as never);
    const [idle, ...streaming] = [...(world.json<ObservedNode>(report)?.streaming ?? [])].sort();
    world.put(report, { ...world.json<object>(report), streaming });
    const elsewhere = ['n1', 'n2', 'n3', 'n4', 'n5'].filter((cell) => cell !== cellOf(world, old));
    world.apply('f1', standard({ 'node-count': 2, cells: elsewhere }));
    world.pass('f1');
    world.pass('f1');
    expect(idle).to.be.a('string');
    expect(streaming).to.include(switchedTo(world));
  });

  it('keeps a node that was to be removed and took over while its agent was gone: nobody else has what it wrote', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 2 }));
    world.pass('f1');
    const going = world
      .state('f1')
      .nodes.find(({ node_id, backend_id }) =>
        world.text(`/cells/assignments/${backend_id}/${node_id}`)?.includes('"removed"'),
      ) as { node_id: string; backend_id: string };
    simulation.silenceCell(going.backend_id as never);
    world.put(leaderKey(f1), going.node_id);
    simulation.stepPatroni(f1);
    world.apply('f1', standard({ 'node-count': 3 }));
    world.pass('f1');
    const order = world.json<{ desired: string }>(`/cells/assignments/${going.backend_id}/${going.node_id}`);
    expect(order?.desired).to.equal('running');
    simulation.unsilenceCell(going.backend_id as never, 'z1');
    simulation.settle(['f1']);
    expect(simulation.data.has(going.node_id as never)).to.equal(true);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});
