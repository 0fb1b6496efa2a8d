import { expect } from 'chai';
import fc from 'fast-check';
import { assignmentsPrefix, parseAssignment, parseAssignmentKey } from '../../../src/schema/assignment.ts';
import { type InstanceId, instanceOfNode, type NodeId } from '../../../src/schema/ids.ts';
import { type ObservedNode, observedKey } from '../../../src/schema/observed-node.ts';
import { parseObservedState, stateKey } from '../../../src/schema/observed-state.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { allocationPrefix } from '../../../src/schema/routing.ts';
import { type KeyValue, maxTxnOps } from '../../../src/store/store.ts';
import { shape } from '../support/shape.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const ids = ['f1', 'f2'];
const zones = { n1: 'z1', n2: 'z1', n3: 'z2', n4: 'z2', n5: 'z3' };
const cellIds = Object.keys(zones);

/** What an operator may write: always something that there is room for. */
const documents = fc
  .record({
    plan: fc.constantFrom('standard', 'small'),
    count: fc.integer({ min: 1, max: 4 }),
    pool: fc.option(fc.shuffledSubarray(cellIds, { minLength: 4 })),
    connections: fc.option(fc.constantFrom(50, 200)),
    workMem: fc.option(fc.constantFrom('4MB', '8MB')),
    synchronous: fc.boolean(),
    grace: fc.option(fc.constantFrom('1h', '20s')),
  })
  .map(({ plan, count, pool, connections, workMem, synchronous, grace }) => ({
    plan,
    parameters: {
      'node-count': count,
      synchronous,
      ...(grace && { 'deletion-grace': grace }),
      ...(pool && { cells: [...pool].sort() }),
      postgresql: { ...(connections && { max_connections: connections }), ...(workMem && { work_mem: workMem }) },
    },
  }));

const instance = fc.constantFrom(...ids);
const actions = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constant('apply' as const), instance, documents) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('pause' as const), instance, documents) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('hibernate' as const), instance, documents) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('fence' as const), instance, fc.nat(5)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('break' as const), instance) },
  { weight: 1, arbitrary: fc.tuple(fc.constant('delete' as const), instance) },
  { weight: 12, arbitrary: fc.tuple(fc.constant('pass' as const), instance) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('stalePass' as const), instance, fc.nat(15)) },
  { weight: 10, arbitrary: fc.tuple(fc.constant('cell' as const), fc.constantFrom(...cellIds)) },
  { weight: 6, arbitrary: fc.tuple(fc.constant('patroni' as const), instance) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('router' as const)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('kill' as const), fc.nat(20)) },
  { weight: 4, arbitrary: fc.tuple(fc.constant('round' as const)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('settle' as const)) },
);
type Action = typeof actions extends fc.Arbitrary<infer T> ? T : never;

function herd(seed: number): Simulation {
  const world = new World({ seed });
  for (const [cell, zone] of Object.entries(zones)) world.cell(cell, zone);
  return new Simulation(world);
}

describe('decide(), whatever happens in whatever order', () => {
  it('breaks no promise on the way, ends where a fresh create ends, and is silent then', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(actions, { maxLength: 60 }),
        fc.tuple(documents, documents),
        documents,
        (seed, steps, last, first) => {
          const run = new Run(herd(seed));
          for (const id of ids) run.do(['apply', id, first as never]);
          run.do(['settle']);
          for (const step of steps) run.do(step);
          for (const [at, id] of ids.entries()) run.do(['apply', id, last[at] as never]);
          run.unfence();
          run.do(['settle']);
          const { world } = run.simulation;
          const { writes } = world;
          for (const id of ids) expect(world.pass(id).ops, 'a pass at rest').to.deep.equal([]);
          expect(world.writes).to.equal(writes);

          const fresh = herd(seed);
          for (const [at, id] of ids.entries()) fresh.world.apply(id, last[at]);
          fresh.settle(ids);
          for (const id of ids) expect(shape(world, id)).to.deep.equal(shape(fresh.world, id));
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 12), seed: Number(process.env['SEED'] ?? 1) },
    );
  }).timeout(600_000);
});

/** A run of actions, and the promises that are looked at after each. */
class Run {
  readonly simulation: Simulation;
  readonly #snapshots: KeyValue[][] = [];
  readonly #ports = new Map<string, string>();
  readonly #cellOf = new Map<NodeId, string>();

  constructor(simulation: Simulation) {
    this.simulation = simulation;
  }

  do(action: Action): void {
    const { simulation } = this;
    const { world } = simulation;
    this.#snapshots.push(world.pairs());
    if (this.#snapshots.length > 16) this.#snapshots.shift();
    if (action[0] === 'apply') world.apply(action[1], action[2]);
    else if (action[0] === 'pause') world.apply(action[1], { ...action[2], paused: true });
    else if (action[0] === 'hibernate') world.apply(action[1], { ...action[2], hibernated: true });
    else if (action[0] === 'fence') this.#fence(action[1], action[2]);
    else if (action[0] === 'break') world.apply(action[1], '{a: [');
    else if (action[0] === 'delete') world.delete(`/serviceinstances/${action[1]}`);
    else if (action[0] === 'pass') this.#pass(action[1]);
    else if (action[0] === 'stalePass') this.#pass(action[1], this.#snapshots.at(-1 - action[2]) ?? []);
    else if (action[0] === 'cell') simulation.stepCell(action[1] as never);
    else if (action[0] === 'patroni') simulation.stepPatroni(action[1] as InstanceId);
    else if (action[0] === 'router') simulation.stepRouter();
    else if (action[0] === 'round') simulation.stepAll(ids);
    else if (action[0] === 'kill') {
      const node = [...simulation.running.keys()][action[1] % Math.max(1, simulation.running.size)];
      if (node) simulation.kill(node);
    } else this.#settle();
    this.#check();
  }

  unfence(): void {
    const { world } = this.simulation;
    for (const key of world.keys('/serviceinstances/')) if (key.endsWith('/fenced')) world.delete(key);
  }

  #fence(id: string, at: number): void {
    const backends = this.simulation.world.keys(`/serviceinstances/${id}/nodes/`).filter((key) => /backend$/.test(key));
    const backend = backends[at % Math.max(1, backends.length)];
    if (backend) this.simulation.world.put(backend.replace(/backend$/, 'fenced'), 'for the test');
  }

  #settle(): void {
    for (let round = 0; round < 200; round++) {
      const before = this.simulation.world.keyspace.revision;
      for (const id of ids) this.#pass(id);
      this.#check();
      this.simulation.stepAll(ids);
      this.#check();
      if (this.simulation.world.keyspace.revision === before) return;
    }
    throw new Error('not settled');
  }

  #pass(id: string, pairs?: KeyValue[]): void {
    const { world } = this.simulation;
    const before = this.#assigned(id);
    const served = this.#newest(id);
    const decision = world.pass(id, pairs);
    expect(decision.ops.length, 'operations of a transaction').to.be.at.most(maxTxnOps);
    expect(decision.compares.length, 'comparisons of a transaction').to.be.at.most(maxTxnOps);
    // What a pass says must be what follows from what it does: else each would cost a second transaction.
    const next = pairs ? [] : world.decide(id).ops.map((op) => ('key' in op ? op.key : ''));
    expect(next, 'what a pass leaves to the next').to.not.deep.equal([stateKey(id as InstanceId)]);
    const state = parseObservedState(world.text(stateKey(id as InstanceId)) ?? '');
    const after = this.#assigned(id);
    for (const { cell, node } of before) {
      if (after.some((each) => each.node === node)) continue;
      expect(world.text(observedKey(cell, node)), 'report of a node that is forgotten').to.equal(undefined);
    }
    if (!state.ok || state.value.deleting) return;
    // P5: a node with data goes only while as many others as are wanted stream or lead, and never the leader.
    const staying = after.filter(({ desired }) => desired !== 'removed').map(({ node }) => node);
    const leader = world.text(leaderKey(id as InstanceId)) as NodeId | undefined;
    const leads = before.find(({ node }) => node === leader);
    const report = leads && world.json<ObservedNode>(observedKey(leads.cell, leads.node));
    const serving = staying.filter((node) => node === leader || report?.streaming?.includes(node));
    const removed = before.filter(({ node, desired }) => desired !== 'removed' && !staying.includes(node));
    for (const { cell, node } of removed) {
      if (world.text(observedKey(cell, node)) === undefined) continue;
      expect(node, 'a removed node').to.not.equal(leader);
      expect(serving.length, 'nodes that serve').to.be.at.least(state.value.accepted?.node_count ?? 1);
    }
    const restarted = before.filter((old) => {
      const now = after.find(({ node }) => node === old.node);
      return now && now.hash !== old.hash && serving.includes(old.node);
    });
    expect(restarted.length, 'serving nodes that restart').to.be.at.most(1);
    if (served.length > 0)
      expect(
        staying.some((node) => served.includes(node)),
        'a copy stays',
      ).to.equal(true);
  }

  #newest(id: string): NodeId[] {
    const copies = [...this.simulation.data].filter(([node]) => instanceOfNode(node) === id);
    const most = Math.max(0, ...copies.map(([, amount]) => amount));
    return copies.filter(([, amount]) => amount === most && most > 0).map(([node]) => node);
  }

  #assigned(id?: string) {
    return this.simulation.world.keys(assignmentsPrefix).flatMap((key) => {
      const at = parseAssignmentKey(key);
      const assignment = parseAssignment(this.simulation.world.text(key) ?? '');
      if (!at || !assignment.ok || (id !== undefined && assignment.value.instance !== id)) return [];
      return [{ ...at, desired: assignment.value.desired, hash: assignment.value.spec_hash }];
    });
  }

  #check(): void {
    const { world } = this.simulation;
    // P1: one port for each instance, for as long as it has a state, and no port twice.
    const ports = world.keys(allocationPrefix).map((key) => world.text(key));
    expect(new Set(ports).size, 'distinct ports').to.equal(ports.length);
    for (const id of ids) {
      const port = world.text(`${allocationPrefix}${id}`);
      const before = this.#ports.get(id);
      if (!world.text(stateKey(id as InstanceId))) this.#ports.delete(id);
      else if (before !== undefined) expect(port, 'the port of an instance').to.equal(before);
      if (port !== undefined) this.#ports.set(id, port);
    }
    // P2: a node is on one cell for ever, and an instance has one node on a cell.
    const places = new Set<string>();
    for (const { cell, node } of this.#assigned()) {
      expect(this.#cellOf.get(node) ?? cell, 'the cell of a node').to.equal(cell);
      this.#cellOf.set(node, cell);
      const place = `${cell} ${instanceOfNode(node)}`;
      expect(places.has(place), `two nodes of one instance on ${cell}`).to.equal(false);
      places.add(place);
    }
    for (const node of this.simulation.running.keys()) {
      expect(this.#cellOf.has(node), 'what runs was assigned').to.equal(true);
    }
  }
}
