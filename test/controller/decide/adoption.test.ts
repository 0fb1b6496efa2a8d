import { expect } from 'chai';
import { restoreProblem, restoreSnapshot } from '../../../src/cli/restore-snapshot.ts';
import type { NodeId } from '../../../src/schema/ids.ts';
import { type Snapshot, takeSnapshot } from '../../../src/schema/snapshot.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';
import { herdOfFive, standard } from '../support/herd-of-five.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const about = { id: 's1', at: '2026-01-01T00:00:00Z', cluster: 'old', revision: '9' };
const { signal } = new AbortController();

/** A herd with two instances, and a snapshot of it. */
function herd(): { simulation: Simulation; snapshot: Snapshot } {
  const simulation = herdOfFive();
  for (const id of ['f1', 'f2']) simulation.world.apply(id, standard({ 'node-count': 2 }));
  simulation.settle(['f1', 'f2']);
  return { simulation, snapshot: takeSnapshot(simulation.world.pairs(), about) };
}

/** The same cells and nodes over a new, empty store that the snapshot is restored into. */
async function afterLoss(old: Simulation, snapshot: Snapshot, cellsBack = ['n1', 'n2', 'n3', 'n4', 'n5']) {
  const world = new World({ seed: 7 });
  const zones: Record<string, string> = { n1: 'z1', n2: 'z1', n3: 'z2', n4: 'z2', n5: 'z3' };
  const store = new MemoryStore({ clock: new FakeClock(), keyspace: world.keyspace });
  for (const cell of cellsBack) world.cell(cell, zones[cell] as string);
  expect(restoreProblem(snapshot, world.pairs())).to.equal(undefined);
  await restoreSnapshot(store, snapshot, about.at, signal);
  const report = (cell: string) => {
    for (const { key, value } of old.world.pairs()) {
      if (key.startsWith(`/cells/observed/${cell}/`)) world.put(key, value);
    }
  };
  for (const cell of cellsBack) report(cell);
  for (const { key, value } of old.world.pairs()) {
    if (/^\/service\/[^/]+\/(?:members\/|leader|initialize)/.test(key)) world.put(key, value);
  }
  const simulation = new Simulation(world);
  for (const [node, hash] of old.running) simulation.running.set(node, hash);
  for (const [node, amount] of old.data) simulation.data.set(node, amount);
  return { world, simulation, store, report };
}

const nodesOf = (world: World, id: string) => world.state(id).nodes;
const settle = (simulation: Simulation) => simulation.settle(['f1', 'f2']);

describe('decide(), after a restoration', () => {
  it('adopts every node where it runs, without a restart, with port and credentials as before', async () => {
    const { simulation: old, snapshot } = herd();
    const { world, simulation } = await afterLoss(old, snapshot);
    settle(simulation);
    for (const id of ['f1', 'f2']) {
      expect(nodesOf(world, id)).to.deep.equal(nodesOf(old.world, id));
      expect(world.condition(id, 'Ready')?.status).to.equal('True');
      expect(world.state(id).allocated_port).to.equal(old.world.state(id).allocated_port);
      expect(world.text(`/serviceinstances/${id}/credentials`)).to.equal(
        old.world.text(`/serviceinstances/${id}/credentials`),
      );
      expect(world.text(`/serviceinstances/${id}/restored`)).to.equal(undefined);
    }
    expect([...simulation.running].sort()).to.deep.equal([...old.running].sort());
  });

  it('adopts nodes that were placed after the snapshot was taken', async () => {
    const { simulation: old, snapshot } = herd();
    old.world.apply('f1', standard({ 'node-count': 3 }));
    settle(old);
    const { world, simulation } = await afterLoss(old, snapshot);
    const leader = old.world.text('/service/f1/leader') as NodeId;
    const rows = old.data.get(leader) as number;
    settle(simulation);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(Math.max(...[...simulation.data.values()])).to.be.at.least(rows);
    expect(nodesOf(world, 'f1')).to.have.length(2);
  });

  it('places and removes nothing while cells are not back, and says which; then goes on', async () => {
    const { simulation: old, snapshot } = herd();
    const all = ['n1', 'n2', 'n3', 'n4', 'n5'];
    const gone = nodesOf(old.world, 'f1').map(({ backend_id }) => backend_id);
    const { world, simulation, report } = await afterLoss(
      old,
      snapshot,
      all.filter((cell) => !gone.includes(cell)),
    );
    for (let pass = 0; pass < 5; pass++) world.pass('f1');
    expect(world.keys('/cells/assignments/').filter((key) => key.includes('/f1-'))).to.deep.equal([]);
    expect(world.condition('f1', 'Placed')).to.include({ status: 'False', reason: 'Restoring' });
    expect(world.condition('f1', 'Placed')?.message).to.include(`on ${gone[0]} (agent gone)`);
    for (const cell of gone) {
      world.cell(cell, 'z1');
      report(cell);
    }
    settle(simulation);
    expect(nodesOf(world, 'f1')).to.deep.equal(nodesOf(old.world, 'f1'));
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('goes on without what is missing once an operator has finished it, on the data that are there', async () => {
    const { simulation: old, snapshot } = herd();
    const [lost] = nodesOf(old.world, 'f1').filter(({ node_id }) => node_id !== old.world.text('/service/f1/leader'));
    const cells = ['n1', 'n2', 'n3', 'n4', 'n5'].filter((cell) => cell !== lost?.backend_id);
    old.kill(lost?.node_id as NodeId);
    old.running.delete(lost?.node_id as NodeId);
    const { world, simulation } = await afterLoss(old, snapshot, cells);
    world.pass('f1');
    world.pass('f1');
    expect(world.condition('f1', 'Placed')?.reason).to.equal('Restoring');
    world.delete('/serviceinstances/f1/restored');
    settle(simulation);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(nodesOf(world, 'f1')).to.have.length(2);
  });

  it('keeps what was deleted stopped, and begins its grace anew instead of erasing it at once', async () => {
    const { simulation: old } = herd();
    Object.assign(old.world.settings, { deletionGraceMs: 3_600_000 });
    old.world.delete('/serviceinstances/f1');
    settle(old);
    const snapshot = takeSnapshot(old.world.pairs(), about);
    const { world, simulation } = await afterLoss(old, snapshot);
    Object.assign(world.settings, { deletionGraceMs: 3_600_000 });
    world.nowMs += 10 * 3_600_000;
    settle(simulation);
    expect(world.condition('f1', 'Deleting')?.reason).to.equal('Kept');
    expect(world.keys('/cells/assignments/').filter((key) => key.includes('/f1-'))).to.have.length(2);
    world.apply('f1', standard({ 'node-count': 2 }));
    settle(simulation);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(nodesOf(world, 'f1')).to.deep.equal(nodesOf(old.world, 'f1'));
  });

  it('hands no port out again that may have been handed out since', async () => {
    const { simulation: old, snapshot } = herd();
    const { world } = await afterLoss(old, snapshot);
    expect(world.text('/routing/nextport')).to.equal('30102');
  });
});

describe('restoreProblem()', () => {
  it('refuses a store that is not empty, and a snapshot of another herd', async () => {
    const { simulation, snapshot } = herd();
    expect(restoreProblem(snapshot, simulation.world.pairs())).to.match(/^the store is not empty: it holds \d+ keys/);
    const other = new World();
    other.cell('m1', 'z1');
    expect(restoreProblem(snapshot, other.pairs())).to.include('of another herd: it knows n1, n2');
  });

  it('goes on with a restoration that was interrupted, and writes nothing twice', async () => {
    const { simulation: old, snapshot } = herd();
    const { world, store } = await afterLoss(old, { ...snapshot, keys: snapshot.keys.slice(0, 3) });
    const document = world.text('/serviceinstances/f1');
    expect(restoreProblem(snapshot, world.pairs())).to.equal(undefined);
    world.apply('f1', standard({ 'node-count': 1 }));
    await restoreSnapshot(store, snapshot, about.at, signal);
    expect(world.text('/serviceinstances/f1')).to.not.equal(document);
    expect(world.text('/serviceinstances/f2')).to.equal(old.world.text('/serviceinstances/f2'));
  });
});

describe('takeSnapshot()', () => {
  it('keeps what cannot be rebuilt and nothing else', () => {
    const { snapshot } = herd();
    const kinds = new Set(snapshot.keys.map(({ key }) => key.replaceAll(/f[12]|\d{5}/g, '*')));
    expect([...kinds].sort()).to.deep.equal([
      '/routing/allocation/*',
      '/routing/nextport',
      '/routing/ports/*',
      '/service/*/config',
      '/service/*/initialize',
      '/service/*/state',
      '/serviceinstances/*',
      '/serviceinstances/*/credentials',
    ]);
    expect(Object.keys(snapshot.placements)).to.deep.equal(['f1', 'f2']);
  });
});
