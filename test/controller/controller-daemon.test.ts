import { expect } from 'chai';
import { runController } from '../../src/controller/controller-daemon.ts';
import { LeadershipLostError } from '../../src/engine/election.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { Registry } from '../../src/engine/metrics.ts';
import { parseCatalog } from '../../src/schema/catalog.ts';
import { type HerdEvent, parseEvent } from '../../src/schema/event.ts';
import type { Keyspace } from '../../src/store/keyspace.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { CallOptions, TxnRequest, TxnResult } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import type { Clock } from '../../src/time/clock.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';
import { standard } from './support/herd-of-five.ts';
import { Simulation } from './support/simulation.ts';
import { World } from './support/world.ts';

/** A store whose transactions on instances fail or are late when the test says so. */
class FaultyStore extends MemoryStore {
  readonly #clock: Clock;
  delayMs: (count: number) => number = () => 0;
  fault: (count: number) => 'before' | 'after' | undefined = () => undefined;
  #count = 0;

  constructor(options: { readonly clock: Clock; readonly keyspace: Keyspace }) {
    super(options);
    this.#clock = options.clock;
  }

  override async txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    const isPass = request.then.some((op) => op.type === 'put' && op.key.endsWith('/state'));
    if (!isPass) return super.txn(request, options);
    const count = ++this.#count;
    const delayMs = this.delayMs(count);
    if (delayMs > 0) await this.#clock.sleep(delayMs);
    const fault = this.fault(count);
    if (fault === 'before') throw new StoreError('unavailable', 'transaction: not sent');
    const result = await super.txn(request, options);
    if (fault === 'after') throw new StoreError('unavailable', 'transaction: the answer was lost');
    return result;
  }
}

/** The daemon over a key space in memory, with simulated cells, Patroni and router, in time that the test lets pass. */
class Herd {
  readonly clock = new FakeClock();
  readonly world = new World();
  readonly simulation = new Simulation(this.world);
  readonly lines: string[] = [];
  readonly #daemons: { readonly stop: AbortController; readonly ended: Promise<unknown> }[] = [];

  constructor() {
    for (const [cell, zone] of Object.entries({ n1: 'z1', n2: 'z2', n3: 'z3', n4: 'z1' })) this.world.cell(cell, zone);
  }

  /** Starts a controller; `ended` says how it ended. */
  start(identity = 'c1'): { store: FaultyStore; stop: () => void; ended: Promise<unknown> } {
    const { clock, world } = this;
    const store = new FaultyStore({ clock, keyspace: world.keyspace });
    const write = (line: string) => this.lines.push(line);
    const logger = createLogger({ level: 'info', format: 'json', destination: { write } });
    const stop = new AbortController();
    const options = { store, clock, logger, registry: new Registry(), identity, settings: world.settings };
    const ended = runController(options, stop.signal).catch((error: unknown) => error);
    this.#daemons.push({ stop, ended });
    return { store, ended, stop: () => stop.abort() };
  }

  async stopAll(): Promise<void> {
    for (const { stop } of this.#daemons) stop.abort();
    await this.clock.advance(3_000);
    await Promise.all(this.#daemons.map(({ ended }) => ended));
  }

  /** Lets everything happen until nothing does. */
  async settle(ids: readonly string[]): Promise<void> {
    let quiet = 0;
    for (let round = 0; round < 200 && quiet < 3; round++) {
      const before = this.world.keyspace.revision;
      await this.clock.advance(700);
      this.simulation.stepAll(ids);
      quiet = this.world.keyspace.revision === before ? quiet + 1 : 0;
    }
    expect(quiet, 'quiet rounds').to.equal(3);
  }

  events(): HerdEvent[] {
    return this.world.keys('/pgherd/events/').flatMap((key) => {
      const event = parseEvent(this.world.text(key) ?? '');
      return event.ok ? [event.value] : [];
    });
  }

  /** What is left to do for the instance: nothing, at rest. */
  due(id: string): unknown[] {
    return [...this.world.decide(id).ops];
  }
}

describe('runController()', () => {
  let herd: Herd;
  beforeEach(() => {
    herd = new Herd();
  });
  afterEach(() => herd.stopAll());

  it('brings new instances to Ready and is quiet then', async () => {
    const { world } = herd;
    const ids = ['f1', 'f2', 'f3'];
    herd.start();
    for (const id of ids) world.apply(id, 'plan: standard');
    await herd.settle(ids);
    for (const id of ids) {
      expect(world.condition(id, 'Ready')?.message).to.match(/^the leader is reached at/);
      expect(herd.due(id)).to.deep.equal([]);
    }
    const { revision } = world.keyspace;
    const { length } = herd.lines;
    await herd.clock.advance(60_000);
    expect(world.keyspace.revision).to.equal(revision);
    expect(herd.lines.slice(length)).to.deep.equal([]);
  });

  it('writes the state once a second at most while Patroni takes its steps, and at once when Ready changes', async () => {
    const { world, clock } = herd;
    herd.start();
    world.apply('f1', standard({ 'node-count': 2 }));
    await herd.settle(['f1']);
    const replica = world
      .state('f1')
      .nodes.find(({ node_id }) => node_id !== world.text('/service/f1/leader'))?.node_id;
    const key = `/service/f1/members/${replica}`;
    const { state: _, ...member } = world.json<{ state: string }>(key) ?? {};
    const revision = () => world.keyspace.get('/service/f1/state')?.modRevision;
    const revisions = new Set<unknown>();
    for (let step = 0; step < 10; step++) {
      world.put(key, { ...member, state: `step ${step}` });
      await clock.advance(150);
      revisions.add(revision());
      if (step === 0) expect(world.condition('f1', 'Ready')?.status).to.equal('False');
    }
    expect(revisions.size).to.equal(2);
    world.put(key, { ...member, state: 'running' });
    await clock.advance(150);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('goes on where another stopped, after whichever transaction that was', async () => {
    for (let last = 1; last <= 6; last++) {
      herd = new Herd();
      const { world } = herd;
      const first = herd.start('c1');
      first.store.fault = (count) => (count >= last ? 'before' : undefined);
      world.apply('f1', standard({ 'node-count': 2 }));
      for (let round = 0; round < 4; round++) {
        await herd.clock.advance(300);
        herd.simulation.stepAll(['f1']);
      }
      first.stop();
      await herd.clock.advance(1_000);
      herd.start('c2');
      await herd.settle(['f1']);
      expect(world.condition('f1', 'Ready')?.status, `stopped after ${last}`).to.equal('True');
      expect(world.keys('/cells/assignments/')).to.have.length(2);
      expect(herd.due('f1')).to.deep.equal([]);
      await herd.stopAll();
    }
  });

  it('ends in the same place when answers of the store are lost', async () => {
    const { world } = herd;
    const { store } = herd.start();
    store.fault = (count) => (count % 3 === 1 ? 'after' : count % 3 === 2 ? 'before' : undefined);
    const ids = ['f1', 'f2'];
    for (const id of ids) world.apply(id, standard({ 'node-count': 2 }));
    await herd.settle(ids);
    for (const id of ids) {
      expect(world.condition(id, 'Ready')?.status).to.equal('True');
      expect(world.keys(`/serviceinstances/${id}/nodes/`)).to.have.length(2);
    }
    expect(ids.map((id) => world.text(`/routing/allocation/${id}`))).to.deep.equal(['30000', '30001']);
  });

  it('leaves a standby ready to go on when the leader is cut off, whose next write would fail', async () => {
    const { world } = herd;
    const first = herd.start('c1');
    await herd.clock.advance(1_000);
    herd.start('c2');
    await herd.clock.advance(1_000);
    expect(world.text('/pgherd/leader')).to.equal('c1');
    first.store.disconnect();
    await herd.clock.advance(30_000);
    expect(world.text('/pgherd/leader')).to.equal('c2');
    first.store.reconnect();
    world.apply('f1', 'plan: standard');
    await herd.settle(['f1']);
    expect(await first.ended).to.be.instanceOf(LeadershipLostError);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.keys('/cells/assignments/')).to.have.length(3);
  });

  it('places what waited for room as soon as there is some, and what waited for a port', async () => {
    const { world } = herd;
    for (const cell of ['n2', 'n3', 'n4']) world.delete(`/cells/registered/${cell}`);
    world.cell('n1', 'z1', { capacity: { nodes: 1, memory_mb: 8192 } });
    herd.start();
    for (const id of ['f1', 'f2']) world.apply(id, 'plan: small');
    await herd.settle(['f1', 'f2']);
    const [ready, waits] = world.keys('/cells/assignments/')[0]?.includes('f1-') ? ['f1', 'f2'] : ['f2', 'f1'];
    expect(world.condition(waits, 'Placed')?.reason).to.equal('NoRoom');
    world.delete(`/serviceinstances/${ready}`);
    await herd.settle(['f1', 'f2']);
    expect(world.condition(waits, 'Ready')?.status).to.equal('True');
  });

  it('takes no more onto a cell than it has room for, however many are decided at once', async () => {
    const { world } = herd;
    for (const cell of ['n1', 'n2', 'n3', 'n4']) world.cell(cell, 'z1', { capacity: { nodes: 2, memory_mb: 8192 } });
    herd.start();
    const ids = Array.from({ length: 10 }, (_, at) => `f${at}`);
    for (const id of ids) world.apply(id, 'plan: small');
    await herd.settle(ids);
    for (const cell of ['n1', 'n2', 'n3', 'n4']) expect(world.keys(`/cells/assignments/${cell}/`)).to.have.length(2);
    expect(ids.filter((id) => world.condition(id, 'Placed')?.reason === 'NoRoom')).to.have.length(2);
  });

  it('hands out ports without a gap when transactions overtake each other', async () => {
    const { world } = herd;
    const { store } = herd.start();
    store.delayMs = (count) => (count <= 8 ? 50 - count : 0);
    await herd.settle([]);
    const ids = Array.from({ length: 8 }, (_, at) => `f${at}`);
    for (const id of ids) world.apply(id, 'plan: small');
    await herd.settle(ids);
    const ports = ids.map((id) => world.text(`/routing/allocation/${id}`)).sort();
    expect(ports).to.deep.equal(['30000', '30001', '30002', '30003', '30004', '30005', '30006', '30007']);
    expect(world.text('/routing/nextport')).to.equal('30008');
  });

  for (const name of ['a..b', 'a/b', 'a\0b', 'x'.repeat(300), '-a']) {
    it(`ignores the document ${JSON.stringify(name.slice(0, 10))} (${name.length} characters), and tells so`, async () => {
      const { world } = herd;
      herd.start();
      await herd.settle([]);
      world.put(`/serviceinstances/${name}`, 'plan: small');
      const before = world.keys().filter((key) => !key.startsWith('/pgherd/'));
      await herd.settle([]);
      expect(world.keys().filter((key) => !key.startsWith('/pgherd/'))).to.deep.equal(before);
      const event = herd.events().find(({ reason }) => reason === 'KeyIgnored');
      expect(event?.message).to.match(/^instance id .* is not allowed: use 1 to 50 letters/);
    });
  }

  it('begins to hand out ports above those of a herd that had no next port', async () => {
    const { world } = herd;
    world.delete('/routing/nextport');
    world.put('/routing/allocation/legacy', '30004');
    herd.start();
    await herd.settle([]);
    expect(world.text('/routing/nextport')).to.equal('30005');
  });

  it('publishes what can be asked for', async () => {
    herd.start();
    await herd.settle([]);
    const catalog = parseCatalog(herd.world.text('/pgherd/catalog') ?? '');
    expect(catalog.ok && catalog.value.plans.map(({ name }) => name)).to.include('standard');
  });

  it('removes registrar keys that lead to a port which the node does not have', async () => {
    const { world } = herd;
    herd.start();
    world.apply('f1', 'plan: small');
    await herd.settle(['f1']);
    const [key] = world.keys('/postgresql-patroni/');
    world.put(key as string, '127.0.0.1:1');
    world.put('/postgresql-patroni/gone.test:cf-f9-bbbbbb:5432', '127.0.0.1:1');
    await herd.settle(['f1']);
    expect(world.keys('/postgresql-patroni/')).to.have.length(1);
  });

  it('logs no password', async () => {
    const { world } = herd;
    herd.start();
    world.apply('f1', 'plan: standard');
    await herd.settle(['f1']);
    const { app_credentials, superuser_credentials } = world.state('f1');
    const spoken = herd.lines.join('') + JSON.stringify(herd.events());
    expect(herd.lines.length).to.be.greaterThan(0);
    for (const account of [app_credentials, superuser_credentials]) expect(spoken).to.not.include(account?.password);
  });
});
