import { expect } from 'chai';
import type { NodeId } from '../../../src/schema/ids.ts';
import { herdWithF1 } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const fenceOf = (node: string) => `/serviceinstances/f1/nodes/${node}/fenced`;
const orderOf = ({ world }: Simulation, node: string) => {
  const at = world.state('f1').nodes.find(({ node_id }) => node_id === node)?.backend_id;
  return world.json<{ desired: string }>(`/cells/assignments/${at}/${node}`)?.desired;
};

/** A ready f1, who leads it, and who does not. */
function herd(nodes: number) {
  const simulation = herdWithF1({ 'node-count': nodes });
  const { world } = simulation;
  const leader = world.text('/service/f1/leader') as NodeId;
  const replicas = world
    .state('f1')
    .nodes.map(({ node_id }) => node_id as NodeId)
    .filter((id) => id !== leader);
  const lag = (node: NodeId) => {
    simulation.broken.add(node);
    simulation.stepAll(['f1']);
    // The leader's cell tells in the next round.
    simulation.stepAll(['f1']);
  };
  return { simulation, world, leader, replicas, lag };
}

describe('decide(), fencing', () => {
  it('stops a replica at once, replaces it not, and starts it again when the fence goes', () => {
    const { simulation, world, leader, replicas } = herd(3);
    const { nodes } = world.state('f1');
    const [node] = replicas as [NodeId];
    world.put(fenceOf(node), 'looking into it');
    world.pass('f1');
    expect(orderOf(simulation, node)).to.equal('stopped');
    simulation.settle(['f1']);
    expect(world.state('f1').nodes).to.deep.equal(nodes);
    expect(world.text('/service/f1/leader')).to.equal(leader);
    expect(world.condition('f1', 'Ready')).to.include({ status: 'False', reason: 'Fenced' });
    expect(world.condition('f1', 'Running')?.message).to.match(/^2 of 3 nodes run: \S+ on n\d is fenced$/);
    world.delete(fenceOf(node));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('lets a leader hand over before it stops', () => {
    const { simulation, world, leader, replicas } = herd(2);
    world.put(fenceOf(leader), 'looking into it');
    world.pass('f1');
    expect(orderOf(simulation, leader)).to.equal('running');
    expect(world.json('/service/f1/failover')).to.deep.equal({ leader, member: replicas[0] });
    simulation.settle(['f1']);
    expect(orderOf(simulation, leader)).to.equal('stopped');
    expect(world.text('/service/f1/leader')).to.equal(replicas[0]);
  });

  it('does not stop a leader while the only node that could follow it lags, and says so', () => {
    const { simulation, world, leader, replicas, lag } = herd(2);
    lag(replicas[0] as NodeId);
    world.put(fenceOf(leader), 'looking into it');
    simulation.settle(['f1']);
    expect(orderOf(simulation, leader)).to.equal('running');
    expect(world.condition('f1', 'Placed')).to.include({ status: 'False', reason: 'Fencing' });
    simulation.broken.clear();
    simulation.stepAll(['f1']);
    simulation.settle(['f1']);
    expect(orderOf(simulation, leader)).to.equal('stopped');
    expect(world.text('/service/f1/leader')).to.equal(replicas[0]);
  });

  it('stops a leader at once when the others are fenced too: nobody can take over with fewer writes', () => {
    const { simulation, world, leader, replicas, lag } = herd(2);
    lag(replicas[0] as NodeId);
    world.put(fenceOf(replicas[0] as NodeId), 'it lags');
    world.put(fenceOf(leader), 'looking into it');
    world.pass('f1');
    expect(orderOf(simulation, leader)).to.equal('stopped');
  });

  it('stops the only node of an instance, and starts it on its data', () => {
    const { simulation, world, leader } = herd(1);
    world.put(fenceOf(leader), 'looking into it');
    simulation.settle(['f1']);
    expect(orderOf(simulation, leader)).to.equal('stopped');
    world.delete(fenceOf(leader));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1').nodes.map(({ node_id }) => node_id)).to.deep.equal([leader]);
  });
});
