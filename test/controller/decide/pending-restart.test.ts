import { expect } from 'chai';
import type { NodeId } from '../../../src/schema/ids.ts';
import { herdOfFive, standard } from '../support/herd-of-five.ts';
import { shape } from '../support/shape.ts';
import type { Simulation } from '../support/simulation.ts';

const connections = (max_connections: number, more: object = {}) =>
  standard({ 'node-count': 3, postgresql: { max_connections }, ...more });

function herd(first: number, more: object = {}): Simulation {
  const simulation = herdOfFive();
  simulation.world.apply('f1', connections(first, more));
  simulation.settle(['f1']);
  return simulation;
}

/** Settles, and tells which nodes were ordered to restart PostgreSQL in place, in order, and whether each led. */
function restarts(simulation: Simulation): { readonly node: string; readonly led: boolean }[] {
  const { world } = simulation;
  const found: { node: string; led: boolean }[] = [];
  for (let round = 0; round < 100; round++) {
    const before = world.keyspace.revision;
    const decision = world.pass('f1');
    for (const op of decision.ops) {
      if (op.type !== 'put' || !op.value.includes('"restart_pending":true')) continue;
      const node = op.key.split('/').at(-1) as string;
      found.push({ node, led: world.text('/service/f1/leader') === node });
    }
    simulation.stepAll(['f1']);
    if (world.keyspace.revision === before) return found;
  }
  throw new Error('not settled');
}

const running = ({ world, connections: by }: Simulation) =>
  world.state('f1').nodes.map(({ node_id }) => by.get(node_id as NodeId));

describe('decide(), restarts that Patroni waits for', () => {
  it('makes a lower max_connections true on all nodes: the leader in place first, then the replicas, one at a time', () => {
    const simulation = herd(200);
    simulation.world.apply('f1', connections(50));
    const order = restarts(simulation);
    expect(order.map(({ led }) => led)).to.deep.equal([true, false, false]);
    expect(new Set(order.map(({ node }) => node)).size).to.equal(3);
    expect(running(simulation)).to.deep.equal([50, 50, 50]);
  });

  it('ends where a fresh create ends, and writes nothing any more', () => {
    const simulation = herd(200);
    simulation.world.apply('f1', connections(50));
    simulation.settle(['f1']);
    expect(shape(simulation.world, 'f1')).to.deep.equal(shape(herd(50).world, 'f1'));
    expect(simulation.world.state('f1')).to.not.have.any.keys('rollout', 'rolled_out');
    expect(simulation.world.pass('f1').ops).to.deep.equal([]);
  });

  it('restarts nothing twice for a higher value', () => {
    const simulation = herd(50);
    simulation.world.apply('f1', connections(200));
    expect(restarts(simulation)).to.deep.equal([]);
    expect(running(simulation)).to.deep.equal([200, 200, 200]);
  });

  it('lowers it on an instance of one node', () => {
    const simulation = herd(200, { 'node-count': 1 });
    simulation.world.apply('f1', connections(50, { 'node-count': 1 }));
    simulation.settle(['f1']);
    expect(running(simulation)).to.deep.equal([50]);
    expect(simulation.world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('is not Ready before the parameters of its document are those that it runs with', () => {
    const simulation = herd(200);
    const { world } = simulation;
    world.apply('f1', connections(50));
    const generation = String(world.keyspace.get('/serviceinstances/f1')?.modRevision);
    for (let round = 0; round < 60; round++) {
      world.pass('f1');
      const isReady =
        world.condition('f1', 'Ready')?.status === 'True' && world.state('f1').observed_generation === generation;
      if (isReady && !running(simulation).every((each) => each === 50)) {
        const pending = world.keys('/cells/observed/').filter((key) => world.json(key)?.['pending_restart']);
        expect(pending, 'nodes that say so').to.deep.equal([]);
      }
      simulation.stepAll(['f1']);
    }
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('waits for a maintenance window', () => {
    const windows = { 'maintenance-windows': [{ cron: '0 2 * * *', duration: '1h' }] };
    const simulation = herd(100, windows);
    const { world } = simulation;
    const leader = world.text('/service/f1/leader') as NodeId;
    simulation.connections.set(leader, 300);
    expect(restarts(simulation)).to.deep.equal([]);
    expect(world.condition('f1', 'Running')?.reason).to.equal('OutsideWindow');
    world.nowMs = Date.UTC(2026, 0, 1, 2);
    expect(restarts(simulation)).to.deep.equal([{ node: leader, led: true }]);
  });

  it('stops after five minutes when a restart does not help, and orders no other node', () => {
    const simulation = herd(100);
    const { world } = simulation;
    const leader = world.text('/service/f1/leader') as string;
    const key = world.keys('/cells/observed/').find((each) => each.endsWith(leader)) as string;
    world.put(key, { ...world.json<object>(key), pending_restart: true });
    world.pass('f1');
    const ordered = () => world.keys('/cells/assignments/').filter((each) => world.json(each)?.['restart_pending']);
    expect(ordered()).to.have.length(1);
    expect(world.condition('f1', 'Running')?.reason).to.equal('Restarting');
    world.nowMs += 5 * 60_000;
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.message).to.match(
      /^rollout stopped at \S+ on n\d: PostgreSQL still runs with/,
    );
    expect(ordered()).to.have.length(1);
    expect(world.pass('f1').ops).to.deep.equal([]);
    simulation.settle(['f1']);
    expect(ordered()).to.deep.equal([]);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});
