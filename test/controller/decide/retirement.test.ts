import { expect } from 'chai';
import { parseInstanceSpec } from '../../../src/schema/instance-spec.ts';
import { printInstanceSpec } from '../../../src/schema/print-instance-spec.ts';
import { standard } from '../support/herd-of-five.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const hour = 3_600_000;

/** Cells and instances `f0`…, all ready, of a herd with a grace. */
function herd(count = 1, parameters: object = { 'node-count': 2 }, more: object = {}): Simulation {
  const portRange = { first: 30000, last: 30000 + count + 1 };
  const world = new World({ settings: { deletionGraceMs: 24 * hour, portQuarantineMs: 7 * 24 * hour, portRange } });
  for (const cell of ['n1', 'n2', 'n3']) world.cell(cell, cell, { capacity: { nodes: 300, memory_mb: 300_000 } });
  const simulation = new Simulation(world);
  for (const id of ids(count)) world.apply(id, standard(parameters, more));
  simulation.settle(ids(count));
  return simulation;
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, at) => `f${at}`);
const remove = ({ world }: Simulation, id: string) => world.delete(`/serviceinstances/${id}`);
const reports = ({ world }: Simulation, id: string): (string | undefined)[] =>
  world
    .keys('/cells/observed/')
    .flatMap((key) => (key.includes(`/${id}-`) ? world.json<{ state: string }>(key)?.state : []));

describe('decide(), a deleted document', () => {
  it('stops the nodes, the leader last, and keeps data, port and credentials', () => {
    const simulation = herd();
    const { world } = simulation;
    const leader = world.text('/service/f0/leader');
    const kept = ['/routing/allocation/f0', '/serviceinstances/f0/credentials', '/routing/ports/30000'];
    const before = kept.map((key) => world.text(key));
    remove(simulation, 'f0');
    world.pass('f0');
    const orders = world.keys('/cells/assignments/').filter((key) => world.json(key)?.['desired'] === 'stopped');
    expect(orders).to.have.length(1);
    expect(orders[0]).to.not.include(leader);
    simulation.settle(['f0']);
    expect(reports(simulation, 'f0')).to.deep.equal(['stopped', 'stopped']);
    expect(kept.map((key) => world.text(key))).to.deep.equal(before);
    expect(simulation.data.size).to.equal(2);
    expect(world.state('f0').led_last).to.equal(leader);
    expect(world.condition('f0', 'Deleting')?.message).to.match(
      /^all nodes are stopped; data, port and credentials are kept until 2026-01-02T\S+: `pgherd undelete f0`/,
    );
    expect(world.state('f0').last_operation).to.deep.equal({
      state: 'succeeded',
      description: 'members stopped, stopped',
    });
    expect(world.pass('f0').ops).to.deep.equal([]);
  });

  it('stays as old as it is: deleted, put back, or of a state from before there was a time of creation', () => {
    const simulation = herd();
    const { world } = simulation;
    const { created_at, conditions } = world.state('f0');
    expect(created_at).to.equal('2026-01-01T00:00:01.000Z');
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    expect(world.state('f0').created_at).to.equal(created_at);
    world.nowMs += hour;
    world.apply('f0', standard({ 'node-count': 2 }));
    simulation.settle(['f0']);
    expect(world.state('f0').created_at).to.equal(created_at);
    world.put('/service/f0/state', { ...world.state('f0'), created_at: undefined, conditions });
    world.pass('f0');
    expect(world.state('f0').created_at).to.equal(conditions.map(({ since }) => since).sort()[0]);
  });

  it('restores the same nodes, rows, port and credentials when it is put back, starting who led last first', () => {
    const simulation = herd();
    const { world } = simulation;
    const { nodes, allocated_port, app_credentials } = world.state('f0');
    const leader = world.text('/service/f0/leader') as never;
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    const rows = simulation.data.get(leader);
    world.apply('f0', standard({ 'node-count': 2 }));
    world.pass('f0');
    const started = world.keys('/cells/assignments/').filter((key) => world.json(key)?.['desired'] === 'running');
    expect(started).to.have.length(1);
    expect(started[0]).to.include(leader);
    simulation.settle(['f0']);
    const state = world.state('f0');
    expect(world.condition('f0', 'Ready')?.status).to.equal('True');
    expect([state.nodes, state.allocated_port, state.app_credentials]).to.deep.equal([
      nodes,
      allocated_port,
      app_credentials,
    ]);
    expect(simulation.data.get(leader)).to.be.at.least(rows as number);
    expect(state).to.not.have.any.keys('deleted', 'led_last', 'deleting');
  });

  it('starts the others when the node that led last cannot start', () => {
    const simulation = herd();
    const { world } = simulation;
    const leader = world.text('/service/f0/leader') as string;
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    world.apply('f0', standard({ 'node-count': 2 }));
    world.pass('f0');
    const key = world.keys('/cells/observed/').find((each) => each.endsWith(leader)) as string;
    world.put(key, { ...world.json<object>(key), state: 'failed', last_error: 'start failed' });
    world.pass('f0');
    expect(world.keys('/cells/assignments/').map((each) => world.json(each)?.['desired'])).to.deep.equal([
      'running',
      'running',
    ]);
  });

  it('erases everything when the grace is over, with every cell’s word, and keeps the port from others for a week', () => {
    const simulation = herd(1, { 'node-count': 2, 'deletion-grace': '2h' });
    const { world } = simulation;
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    world.nowMs += hour;
    expect(world.pass('f0').requeueAfterMs).to.be.at.most(hour);
    expect(simulation.data.size).to.equal(2);
    world.nowMs += hour;
    world.pass('f0');
    expect(world.condition('f0', 'Deleting')?.reason).to.equal('Deleting');
    simulation.settle(['f0']);
    expect(simulation.data.size).to.equal(0);
    expect(world.keys().filter((key) => key.includes('f0'))).to.deep.equal([]);
    expect(world.json('/routing/ports/30000')).to.include({ quarantined: 'f0' });
    for (const id of ['g0', 'g1']) world.apply(id, standard({ 'node-count': 1 }));
    simulation.settle(['g0', 'g1']);
    expect(['g0', 'g1'].map((id) => world.text(`/routing/allocation/${id}`))).to.deep.equal(['30001', '30002']);
    world.apply('g2', standard({ 'node-count': 1 }));
    simulation.settle(['g2']);
    expect(world.condition('g2', 'Routed')?.reason).to.equal('PortsExhausted');
    world.nowMs += 8 * 24 * hour;
    simulation.settle(['g2']);
    expect(world.text('/routing/allocation/g2')).to.equal('30000');
    expect(world.text('/routing/ports/30000')).to.equal('g2');
  });

  it('erases at once when the grace is 0, or an operator purges it', () => {
    for (const purge of [false, true]) {
      const simulation = herd(1, { 'node-count': 1, ...(!purge && { 'deletion-grace': 0 }) });
      const { world } = simulation;
      remove(simulation, 'f0');
      if (purge) world.put('/serviceinstances/f0/deletion', { confirmed: true, purge: true });
      simulation.settle(['f0']);
      expect(world.keys().filter((key) => key.includes('f0'))).to.deep.equal([]);
    }
  });

  it('loses against a document that is put back at the moment when the grace ends', () => {
    const simulation = herd();
    const { world } = simulation;
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    world.nowMs += 25 * hour;
    const decision = world.decide('f0');
    expect(decision.ops).to.not.deep.equal([]);
    world.apply('f0', standard({ 'node-count': 2 }));
    expect(world.commit(decision)).to.equal(false);
  });

  it('removes what was said about a deletion once the document is back', () => {
    const simulation = herd();
    const { world } = simulation;
    world.put('/serviceinstances/f0/deletion', { confirmed: true, purge: true });
    simulation.settle(['f0']);
    expect(world.text('/serviceinstances/f0/deletion')).to.equal(undefined);
  });

  it('keeps a protected instance running and says so', () => {
    const simulation = herd(1, { 'node-count': 1 }, { 'deletion-protection': true });
    const { world } = simulation;
    remove(simulation, 'f0');
    simulation.settle(['f0']);
    expect(world.condition('f0', 'Ready')?.status).to.equal('True');
    expect(world.condition('f0', 'Deleting')?.message).to.include('deletion-protection was set');
  });
});

describe('decide(), many deletions at once', () => {
  const held = ({ world }: Simulation, count: number): string[] =>
    ids(count).filter((id) => world.condition(id, 'Deleting')?.reason === 'Held');

  it('holds all of a herd that vanishes at once, running, until it is confirmed', () => {
    const simulation = herd(7, { 'node-count': 1 });
    const { world } = simulation;
    for (const id of ids(7)) remove(simulation, id);
    simulation.settle(ids(7));
    expect(held(simulation, 7)).to.deep.equal(ids(7));
    for (const id of ids(7)) expect(world.condition(id, 'Ready')?.status).to.equal('True');
    world.nowMs += hour;
    simulation.settle(ids(7));
    expect(held(simulation, 7), 'an hour later').to.deep.equal(ids(7));
    world.put('/serviceinstances/f3/deletion', { confirmed: true });
    world.apply('f4', standard({ 'node-count': 1 }));
    simulation.settle(ids(7));
    expect(held(simulation, 7)).to.deep.equal(['f0', 'f1', 'f2', 'f5', 'f6']);
    expect(world.condition('f3', 'Deleting')?.reason).to.equal('Kept');
    expect(world.state('f4')).to.not.have.property('deletion_held');
  });

  it('lets five go one after the other and holds the sixth; ten minutes later the next ones go again', () => {
    const simulation = herd(8, { 'node-count': 1 });
    const { world } = simulation;
    for (const id of ids(6)) {
      remove(simulation, id);
      simulation.settle([id]);
    }
    expect(held(simulation, 8)).to.deep.equal(['f5']);
    world.nowMs += 11 * 60_000;
    remove(simulation, 'f6');
    simulation.settle(['f5', 'f6']);
    expect(held(simulation, 8)).to.deep.equal(['f5']);
    expect(world.condition('f6', 'Deleting')?.reason).to.equal('Kept');
  });

  it('counts those that were erased at once', () => {
    const simulation = herd(7, { 'node-count': 1, 'deletion-grace': 0 });
    for (const id of ids(7)) {
      remove(simulation, id);
      simulation.settle([id]);
    }
    const { world } = simulation;
    expect(world.keys('/service/').filter((key) => key.endsWith('/state'))).to.deep.equal([
      '/service/f5/state',
      '/service/f6/state',
    ]);
  });

  it('allows a tenth of a large herd', () => {
    const simulation = herd(100, { 'node-count': 1 });
    for (const id of ids(10)) remove(simulation, id);
    for (const id of ids(10)) simulation.world.pass(id);
    expect(held(simulation, 10)).to.deep.equal([]);
    remove(simulation, 'f10');
    simulation.world.pass('f10');
    expect(held(simulation, 11)).to.deep.equal(['f10']);
  });
});

describe('decide(), hibernated', () => {
  it('stops all nodes, keeps everything, and starts on the same data when it is woken', () => {
    const simulation = herd();
    const { world } = simulation;
    const { nodes, endpoint } = world.state('f0');
    world.apply('f0', standard({ 'node-count': 2 }, { hibernated: true }));
    simulation.settle(['f0']);
    expect(reports(simulation, 'f0')).to.deep.equal(['stopped', 'stopped']);
    expect(world.condition('f0', 'Ready')).to.include({ status: 'False', reason: 'Hibernated' });
    expect(world.condition('f0', 'Hibernated')?.status).to.equal('True');
    expect(world.state('f0').endpoint).to.equal(endpoint);
    world.apply('f0', standard({ 'node-count': 2 }));
    simulation.settle(['f0']);
    expect(world.state('f0').nodes).to.deep.equal(nodes);
    expect(world.condition('f0', 'Ready')?.status).to.equal('True');
  });
});

describe('printInstanceSpec()', () => {
  it('gives a document that reads as the spec', () => {
    const { world } = herd(1, {
      ...{
        'node-count': 1,
        'deletion-grace': '90m',
        version: 15,
        image: 'a:15',
        cells: ['n1', 'n2'],
        zones: ['n1'],
        synchronous: true,
      },
      postgresql: { work_mem: '8MB', max_connections: 50, jit: false, 'auto_explain.log_min_duration': '1s' },
    });
    const { accepted } = world.state('f0');
    const read = parseInstanceSpec(printInstanceSpec(accepted as never), world.settings.catalog);
    expect(read).to.deep.equal({ ok: true, value: accepted });
  });
});
