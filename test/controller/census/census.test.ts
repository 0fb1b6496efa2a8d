import { expect } from 'chai';
import { ControllerMetrics } from '../../../src/controller/controller-metrics.ts';
import { credentialsKey } from '../../../src/schema/credentials.ts';
import type { CellId, InstanceId, NodeId } from '../../../src/schema/ids.ts';
import { observedKey } from '../../../src/schema/observed-node.ts';
import { leaderKey, memberKey } from '../../../src/schema/patroni.ts';
import { settle } from '../../fixtures/fake-clock.ts';
import { WatchedWorld } from '../support/watched-world.ts';

const f1 = 'f1' as InstanceId;

describe('the metrics of the fleet', () => {
  let watched: WatchedWorld;

  /** Two instances of three nodes, at rest, on three cells in three zones. */
  beforeEach(async () => {
    watched = new WatchedWorld();
    const { world, simulation } = watched;
    for (const [cell, zone] of Object.entries({ n1: 'z1', n2: 'z2', n3: 'z3' })) world.cell(cell, zone);
    for (const id of ['f1', 'f2']) world.apply(id, 'plan: standard');
    simulation.settle(['f1', 'f2']);
    await watched.start();
  });
  afterEach(() => watched.stop());

  function observe(perInstance = true): void {
    new ControllerMetrics(watched.registry).observe(watched.registry, watched.informers, watched.herd, { perInstance });
  }

  const leaderOf = (id: InstanceId) => watched.world.text(leaderKey(id)) as NodeId;

  function replicasOf(id: InstanceId): NodeId[] {
    return watched.world
      .state(id)
      .nodes.map(({ node_id }) => node_id as NodeId)
      .filter((node) => node !== leaderOf(id));
  }

  it('count instances, nodes and cells at rest, each with one leader', async () => {
    observe();
    expect(await watched.series('pgherd_instances')).to.deep.equal({ 'ready=True': 2, 'ready=False': 0 });
    expect(await watched.series('pgherd_instances_by_condition')).to.include({
      'condition=Ready,status=True': 2,
      'condition=Degraded,status=True': 0,
    });
    expect(await watched.series('pgherd_instances_by_leaders')).to.deep.equal({
      'leaders=0': 0,
      'leaders=1': 2,
      'leaders=more': 0,
    });
    expect(await watched.series('pgherd_herd_nodes')).to.include({
      'role=leader,state=running': 2,
      'role=replica,state=running': 4,
      'role=replica,state=failed': 0,
    });
    expect(await watched.series('pgherd_cells')).to.include({ 'health=registered,room=yes': 3 });
    expect(await watched.series('pgherd_cell_nodes')).to.include({ 'cell=n1,zone=z1': 2 });
    expect(await watched.series('pgherd_instance_streaming_replicas')).to.deep.equal({ 'scope=f1': 2, 'scope=f2': 2 });
    expect(await watched.series('pgherd_instances_sharing')).to.deep.equal({ 'what=cell': 0, 'what=zone': 0 });
    expect(await watched.series('pgherd_ports_free')).to.deep.equal({ '': 8 });
  });

  it('show an instance that nobody leads', async () => {
    observe();
    watched.world.delete(leaderKey(f1));
    await settle();
    expect(await watched.series('pgherd_instance_leaders')).to.deep.equal({ 'scope=f1': 0, 'scope=f2': 1 });
    expect(await watched.series('pgherd_instances_by_leaders')).to.include({ 'leaders=0': 1, 'leaders=1': 1 });
  });

  it('count a member that goes on claiming to lead, and not what it said before the key changed hands', async () => {
    observe();
    const [other] = replicasOf(f1) as [NodeId];
    const before = leaderOf(f1);
    const claim = { ...watched.world.json<object>(memberKey(f1, before)), role: 'master' };
    watched.world.put(leaderKey(f1), other);
    await settle();
    expect(await watched.series('pgherd_instance_leaders')).to.include({ 'scope=f1': 1 });
    watched.world.put(memberKey(f1, before), claim);
    await settle();
    expect(await watched.series('pgherd_instance_leaders')).to.include({ 'scope=f1': 2 });
    expect(await watched.series('pgherd_instances_by_leaders')).to.include({ 'leaders=more': 1 });
  });

  it('follow the WAL positions that heartbeats move', async () => {
    observe();
    const beat = (node: NodeId, position: number) =>
      watched.world.put(memberKey(f1, node), {
        ...watched.world.json<object>(memberKey(f1, node)),
        xlog_location: position,
      });
    const [one, two] = replicasOf(f1) as [NodeId, NodeId];
    beat(leaderOf(f1), 1_000);
    beat(one, 900);
    beat(two, 1_100);
    await settle();
    expect(await watched.series('pgherd_instance_replication_lag_bytes')).to.deep.equal({ 'scope=f1': 100 });
    expect(await watched.series('pgherd_replication_lag_bytes')).to.deep.equal({ '': 100 });
    beat(one, 1_000);
    await settle();
    expect(await watched.series('pgherd_replication_lag_bytes')).to.deep.equal({ '': 0 });
  });

  it('tell how old accounts are: as old as the instance when they do not say', async () => {
    observe();
    const at = Date.parse(watched.world.state(f1).created_at as string) / 1000;
    expect(await watched.series('pgherd_instance_credentials_timestamp_seconds')).to.include({ 'scope=f1': at });
    const key = credentialsKey(f1);
    const credentials = watched.world.json<object>(key);
    watched.world.put(key, { ...credentials, created_at: '2025-01-01T00:00:00Z' });
    await settle();
    expect(await watched.series('pgherd_credentials_timestamp_seconds')).to.deep.equal({ '': 1_735_689_600 });
    watched.world.put(key, { ...credentials, created_at: undefined });
    await settle();
    expect(await watched.series('pgherd_instance_credentials_timestamp_seconds')).to.include({ 'scope=f1': at });
    watched.world.put(key, 'garbage');
    await settle();
    expect(await watched.series('pgherd_instance_credentials_timestamp_seconds')).to.have.all.keys('scope=f2');
  });

  it('tell of replicas of which none streams', async () => {
    observe();
    const cell = watched.world.state(f1).nodes.find(({ node_id }) => node_id === leaderOf(f1))?.backend_id as CellId;
    const key = observedKey(cell, leaderOf(f1));
    watched.world.put(key, { ...watched.world.json<object>(key), streaming: [] });
    await settle();
    expect(await watched.series('pgherd_instances_without_replica')).to.deep.equal({ '': 1 });
    expect(await watched.series('pgherd_instance_streaming_replicas')).to.include({ 'scope=f1': 0 });
  });

  it('tell of nodes that share a zone only when the pool spans more', async () => {
    observe();
    expect(await watched.series('pgherd_instance_sharing')).to.deep.equal({});
    watched.world.cell('n3', 'z2');
    await settle();
    expect(await watched.series('pgherd_instance_sharing')).to.deep.equal({});
    watched.world.cell('n4', 'z4');
    await settle();
    expect(await watched.series('pgherd_instance_sharing')).to.deep.equal({
      'scope=f1,what=zone': 1,
      'scope=f2,what=zone': 1,
    });
    expect(await watched.series('pgherd_instances_sharing')).to.include({ 'what=zone': 2, 'what=cell': 0 });
  });

  it('leave out clusters that are none of ours, and cells that are gone or unwell are suspect', async () => {
    observe();
    watched.world.put('/service/foreign/leader', 'x');
    watched.world.cell('n2', 'z2', { problem: 'the disk is full' });
    watched.world.delete('/cells/registered/n1');
    await settle();
    expect(await watched.series('pgherd_instance_leaders')).to.have.all.keys('scope=f1', 'scope=f2');
    expect(await watched.series('pgherd_cells')).to.include({
      'health=registered,room=yes': 1,
      'health=suspect,room=yes': 1,
      'health=suspect,room=no': 1,
    });
  });

  it('tell of cells that operators drain, of held deletions, and of the brake', async () => {
    observe();
    const { world } = watched;
    world.put('/cells/maintenance/n2', { mode: 'drain' });
    world.put('/cells/brake', { since: '2026-01-01T00:00:00Z', reason: 'two of three are gone' });
    world.put('/cells/health/n3', { health: 'Lost', since: '2026-01-01T00:00:00Z', zone: 'z3' });
    world.delete('/cells/registered/n3');
    world.put('/service/f2/state', { ...world.state('f2'), deletion_held: true });
    const rollout = { since: '2026-01-01T00:00:00Z', node: replicasOf(f1)[0], at: '2026-01-01T00:00:00Z' };
    const [first, ...others] = world.state('f1').conditions;
    world.put('/service/f1/state', { ...world.state('f1'), rollout });
    await settle();
    expect(await watched.series('pgherd_rollouts')).to.deep.equal({ 'state=going': 1, 'state=stopped': 0 });
    const conditions = [{ ...first, status: 'False', reason: 'RolloutStopped' }, ...others];
    world.put('/service/f1/state', { ...world.state('f1'), rollout, conditions });
    await settle();
    expect(await watched.series('pgherd_rollouts')).to.deep.equal({ 'state=going': 0, 'state=stopped': 1 });
    expect(await watched.series('pgherd_cells_in_maintenance')).to.include({ 'mode=drain': 1, 'mode=cordon': 0 });
    expect(await watched.series('pgherd_cell_draining')).to.include({ 'cell=n2,zone=z2': 1, 'cell=n3,zone=z3': 0 });
    expect(await watched.series('pgherd_cells')).to.include({ 'health=lost,room=no': 1 });
    expect(await watched.series('pgherd_replacement_braked')).to.deep.equal({ '': 1 });
    expect(await watched.series('pgherd_deletions_held')).to.deep.equal({ '': 1 });
  });

  it('have no series for single instances when that is not wanted', async () => {
    observe(false);
    const text = await watched.registry.metrics();
    expect(text)
      .to.include('pgherd_instances_by_leaders')
      .and.not.match(/pgherd_instance_|scope=/);
  });
});
