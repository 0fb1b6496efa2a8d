import { expect } from 'chai';
import { maxTxnOps } from '../../../src/store/store.ts';
import { herdOfFive, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const connections = (max_connections: number, more: object = {}) =>
  standard({ 'node-count': 3, postgresql: { max_connections }, ...more });

/** A herd whose instances are ready, with 100 connections. */
function herd(ids: readonly string[] = ['f1'], more: object = {}): Simulation {
  const simulation = herdOfFive();
  for (const id of ids) simulation.world.apply(id, connections(100, more));
  simulation.settle(ids);
  return simulation;
}

const key = ({ world }: Simulation, prefix: string, node: string) =>
  world.keys(prefix).find((each) => each.endsWith(`/${node}`)) as string;
const outdated = ({ world }: Simulation, id = 'f1') => {
  const hashes = world.keys('/cells/assignments/').filter((each) => each.includes(`/${id}-`));
  const all = hashes.map((each) => world.json<{ spec_hash: string }>(each)?.spec_hash);
  return { nodes: all.length, hashes: new Set(all).size };
};

/** The first replica restarts with the new configuration, and its agent says this of it. */
function restartFirst(simulation: Simulation, state: object): string {
  const { world } = simulation;
  world.apply('f1', connections(300));
  world.pass('f1');
  const { node } = world.state('f1').rollout as { node: string };
  const observed = key(simulation, '/cells/observed/', node);
  const hash = world.json<{ spec_hash: string }>(key(simulation, '/cells/assignments/', node))?.spec_hash;
  simulation.kill(node as never);
  world.put(observed, { ...world.json<object>(observed), spec_hash: hash, ...state });
  return node;
}

const failed = { state: 'failed', last_error: 'Patroni says: start failed', ports: {} };

describe('decide(), a rollout', () => {
  it('stops at the first node that does not come back and leaves the others as they are', () => {
    const simulation = herd();
    const { world } = simulation;
    const leader = world.text('/service/f1/leader');
    const node = restartFirst(simulation, failed);
    for (let pass = 0; pass < 5; pass++) world.pass('f1');
    expect(node).to.not.equal(leader);
    expect(world.condition('f1', 'Degraded')?.message).to.match(
      new RegExp(
        `^rollout stopped at ${node} on n\\d: Patroni says: start failed; \\S+ \\S+ run on as before; edit the`,
      ),
    );
    const restarted = world.keys('/cells/assignments/').map((each) => world.json(each)?.['spec_hash']);
    expect(restarted.filter((hash) => restarted.indexOf(hash) === restarted.lastIndexOf(hash))).to.have.length(1);
    expect(world.text('/service/f1/leader')).to.equal(leader);
    expect(world.pass('f1').ops).to.deep.equal([]);
  });

  it('spares a node that crashes while another does not come back with the same orders', () => {
    const simulation = herd();
    const { world } = simulation;
    const node = restartFirst(simulation, failed);
    const other = world
      .state('f1')
      .nodes.find(({ node_id }) => node_id !== node && node_id !== world.text('/service/f1/leader'))?.node_id as string;
    const before = world.text(key(simulation, '/cells/assignments/', other));
    simulation.kill(other as never);
    world.pass('f1');
    expect(world.text(key(simulation, '/cells/assignments/', other))).to.equal(before);
  });

  it('goes on with a new edit: first the node that failed', () => {
    const simulation = herd();
    const { world } = simulation;
    const node = restartFirst(simulation, failed);
    world.pass('f1');
    world.apply('f1', connections(200));
    world.pass('f1');
    expect(world.state('f1').rollout?.node).to.equal(node);
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1')).to.not.have.any.keys('rollout', 'rolled_out');
    expect(outdated(simulation)).to.deep.equal({ nodes: 3, hashes: 1 });
  });

  it('says that it stopped when a node is not back after five minutes', () => {
    const simulation = herd();
    const { world } = simulation;
    const node = restartFirst(simulation, { state: 'starting', ports: {} });
    expect(world.pass('f1').requeueAfterMs).to.be.at.most(5 * 60_000);
    expect(world.condition('f1', 'Degraded')).to.equal(undefined);
    world.nowMs += 5 * 60_000;
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.message).to.include(`rollout stopped at ${node}`);
  });

  it('remembers the last spec that was true on all nodes, also through edits that were not and one that was refused', () => {
    const simulation = herd();
    const { world } = simulation;
    const { accepted } = world.state('f1');
    restartFirst(simulation, failed);
    world.pass('f1');
    expect(world.state('f1').rolled_out).to.deep.equal(accepted);
    for (const document of ['{a: [', connections(400), connections(500)]) {
      world.apply('f1', document);
      world.pass('f1');
      expect(world.state('f1').rolled_out).to.deep.equal(accepted);
    }
  });

  it('waits for a maintenance window, and says until when', () => {
    const windows = { 'maintenance-windows': [{ cron: '0 2 * * *', duration: '1h' }] };
    const simulation = herd(['f1'], windows);
    const { world } = simulation;
    world.apply('f1', connections(200, windows));
    const decision = world.pass('f1');
    expect(world.condition('f1', 'Running')).to.include({ status: 'False', reason: 'OutsideWindow' });
    expect(world.condition('f1', 'Running')?.message).to.include('that opens at 2026-01-01T02:00:00.000Z');
    expect(decision.requeueAfterMs).to.equal(3_600_000);
    simulation.settle(['f1']);
    expect(outdated(simulation).hashes).to.equal(1);
    world.nowMs = Date.UTC(2026, 0, 1, 2);
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1')).to.not.have.property('rollout');
  });

  it('restarts no more instances at a time than the herd allows', () => {
    const ids = ['f1', 'f2'];
    const simulation = herd(ids);
    const { world } = simulation;
    Object.assign(world.settings, { maxConcurrentRollouts: 1 });
    for (const id of ids) world.apply(id, connections(200));
    world.pass('f1');
    const { requeueAfterMs } = world.pass('f2');
    expect(world.condition('f2', 'Running')?.reason).to.equal('RolloutQueued');
    expect(requeueAfterMs).to.be.within(10_000, 20_000);
    expect(outdated(simulation, 'f2').hashes).to.equal(1);
    simulation.settle(ids);
    for (const id of ids) expect(world.condition(id, 'Ready')?.status).to.equal('True');
  });

  it('leaves everything but the state of a paused instance alone', () => {
    const simulation = herd();
    const { world } = simulation;
    world.apply('f1', { ...connections(200), paused: true });
    const { ops } = world.decide('f1');
    expect(ops.length).to.be.at.most(maxTxnOps);
    expect(ops.map((op) => 'key' in op && op.key)).to.deep.equal(['/service/f1/state']);
  });

  it('takes memory and CPUs of the document instead of those of the plan', () => {
    const simulation = herd();
    const { world } = simulation;
    world.apply('f1', connections(100, { 'memory-mb': 512, cpus: 2 }));
    simulation.settle(['f1']);
    const [assignment] = world.keys('/cells/assignments/');
    expect(world.json(assignment as string)?.['resources']).to.deep.equal({ memory_mb: 512, cpus: 2 });
    expect(world.json<{ postgresql: object }>('/service/f1/config')?.postgresql).to.have.nested.property(
      'parameters.shared_buffers',
      '128MB',
    );
  });
});
