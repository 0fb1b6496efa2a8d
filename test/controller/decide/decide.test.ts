import { expect } from 'chai';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { keysOf } from '../../../src/store/store.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const f1 = 'f1' as InstanceId;

function herd(): { world: World; simulation: Simulation } {
  const world = new World();
  for (const [cell, zone] of Object.entries({ n1: 'z1', n2: 'z1', n3: 'z2', n4: 'z2', n5: 'z3' }))
    world.cell(cell, zone);
  return { world, simulation: new Simulation(world) };
}

describe('decide()', () => {
  it('writes everything that a new instance needs in one transaction', () => {
    const { world } = herd();
    world.apply('f1', 'plan: standard');
    const decision = world.pass('f1');
    expect(world.writes).to.equal(1);
    expect(decision.ops.flatMap(keysOf)).to.have.length(11);
    expect(decision.ops.map(({ type }) => type)).not.to.include('delete');
    expect(world.keys('/serviceinstances/f1/')).to.have.length(4);
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.text('/routing/allocation/f1')).to.equal('30000');
    expect(world.text('/routing/ports/30000')).to.equal('f1');
    expect(world.text('/routing/nextport')).to.equal('30001');
    expect(world.state('f1').last_operation).to.deep.equal({
      state: 'in progress',
      description: 'members stopped, stopped, stopped',
    });
  });

  it('comes to rest with Ready, and then writes nothing', () => {
    const { world, simulation } = herd();
    world.apply('f1', 'plan: standard');
    simulation.settle(['f1']);
    const state = world.state('f1');
    expect(state.conditions.map(({ type, status }) => `${type} ${status}`)).to.deep.equal([
      'Accepted True',
      'Placed True',
      'Running True',
      'LeaderElected True',
      'Routed True',
      'Ready True',
    ]);
    expect(state.last_operation).to.deep.equal({
      state: 'succeeded',
      description: 'master running; replicas running, running',
    });
    expect(state.endpoint).to.equal('127.0.0.9:30000');
    const { writes } = world;
    for (let pass = 0; pass < 10; pass++) expect(world.pass('f1').ops).to.deep.equal([]);
    expect(world.writes).to.equal(writes);
  });

  it('scales 3→5→2→1 and deletes, leaving nothing but what is shared', () => {
    const { world, simulation } = herd();
    const left = world.keys();
    for (const count of [3, 5, 2, 1]) {
      world.apply('f1', { plan: 'standard', parameters: { 'node-count': count } });
      simulation.settle(['f1']);
      expect(world.state('f1').nodes).to.have.length(count);
      expect(world.condition('f1', 'Ready')?.status).to.equal('True');
      expect(world.text('/routing/allocation/f1')).to.equal('30000');
    }
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.keys()).to.deep.equal([...left, '/routing/routers/r1'].sort());
  });

  it('moves an instance to another pool through a switchover without losing a write', () => {
    const { world, simulation } = herd();
    world.apply('f1', { plan: 'standard', parameters: { 'node-count': 2, cells: ['n1', 'n2'] } });
    simulation.settle(['f1']);
    const leader = world.text(leaderKey(f1));
    world.apply('f1', { plan: 'standard', parameters: { 'node-count': 2, cells: ['n3', 'n4'] } });
    simulation.settle(['f1']);
    expect(
      world
        .state('f1')
        .nodes.map(({ backend_id }) => backend_id)
        .sort(),
    ).to.deep.equal(['n3', 'n4']);
    expect(world.text(leaderKey(f1))).to.not.equal(leader);
    expect(Math.max(...simulation.data.values())).to.be.greaterThan(5);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('restarts the nodes one at a time, the leader last, when a parameter needs it', () => {
    const { world, simulation } = herd();
    world.apply('f1', 'plan: standard');
    simulation.settle(['f1']);
    const before = [...simulation.running];
    world.apply('f1', { plan: 'standard', parameters: { postgresql: { max_connections: 200 } } });
    simulation.settle(['f1']);
    for (const [node, hash] of before) expect(simulation.running.get(node)).to.be.a('string').and.not.equal(hash);
    expect(world.json<{ postgresql: { parameters: object } }>('/service/f1/config')?.postgresql.parameters).to.include({
      max_connections: 200,
    });
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});
