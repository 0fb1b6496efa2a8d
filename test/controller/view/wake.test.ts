import { deepStrictEqual } from 'node:assert/strict';
import { expect } from 'chai';
import fc from 'fast-check';
import { decide } from '../../../src/controller/decide/decide.ts';
import { Herd } from '../../../src/controller/view/herd.ts';
import { Informers } from '../../../src/controller/view/informers.ts';
import type { CellView } from '../../../src/controller/view/instance-view.ts';
import { Waits } from '../../../src/controller/view/waits.ts';
import { wakeOnChange } from '../../../src/controller/view/wake.ts';
import { createLogger } from '../../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../../src/engine/metrics.ts';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { FakeClock, settle } from '../../fixtures/fake-clock.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const ids = ['f1', 'f2', 'f3'] as InstanceId[];

/** Informers, indexes and wake-ups over a herd at rest: two instances are ready, a third waits for room. */
class Watcher {
  readonly world = new World();
  readonly simulation = new Simulation(this.world);
  readonly woken = new Set<string>();
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;
  readonly herd: Herd;
  readonly #waits = new Waits();

  constructor() {
    const { world } = this;
    world.cell('n1', 'z1', { capacity: { nodes: 2, memory_mb: 4096 } });
    world.cell('n2', 'z2', { capacity: { nodes: 2, memory_mb: 4096 } });
    for (const id of ids) world.apply(id, { plan: 'standard', parameters: { 'node-count': 2 } });
    this.simulation.settle(ids);
    const clock = new FakeClock();
    const store = new MemoryStore({ clock, keyspace: world.keyspace });
    const logger = createLogger({ level: 'fatal', format: 'json', destination: { write: () => {} } });
    const { informers: metrics } = new EngineMetrics(new Registry());
    const informers = new Informers({ store, clock, logger, metrics, settings: world.settings });
    this.herd = new Herd(world.settings, informers);
    wakeOnChange(informers, this.herd, this.#waits, (id) => this.woken.add(id));
    const { instances, scopes, cells, routing, bindings } = informers;
    const all = [instances, scopes, cells, routing, bindings];
    this.#running = Promise.all(all.map((informer) => informer.run(this.#stop.signal)));
  }

  /** What is decided about an instance, from the view that the indexes give. */
  decide(id: InstanceId): string {
    const decision = decide(this.herd.view(id), new Date(0), () => 0);
    this.#waits.note(id, decision);
    return JSON.stringify(decision.ops);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

const heartbeat = (role: string, more: object = {}) =>
  JSON.stringify({
    role,
    state: 'running',
    conn_url: 'postgres://127.0.0.1:1/postgres',
    api_url: 'http://127.0.0.1:2/patroni',
    ...more,
  });

/** What may become of any key: gone, garbage, or one of the values that somebody may have put there. */
const values = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  fc.constantFrom(
    '',
    'x',
    '{}',
    '[]',
    '30000',
    '30001',
    'n1',
    'n2',
    'n9',
    'f1',
    'f2',
    'plan: small',
    '{"confirmed":true,"purge":true}',
    '{"nodes":[{"node":"f1-bcdfgh","cell":"n1"}]}',
    '{"quarantined":"f9","released":"2026-01-01T00:00:00Z","until":"2026-01-08T00:00:00Z"}',
    '{"plan":"standard","hibernated":true,"parameters":{"node-count":2}}',
    'plan: nowhere',
    '{"pause":true}',
    '{"mode":"cordon"}',
    '{"mode":"drain","deadline":"2030-01-01T00:00:00Z"}',
    '{"mode":"forget"}',
    '{"health":"Lost","since":"2026-01-01T00:00:00Z","zone":"z1"}',
    '{"health":"Suspect","since":"2026-01-01T00:00:00Z","zone":"z1"}',
    '{"since":"2026-01-01T00:00:00Z","reason":"many are gone"}',
  ),
  fc.constantFrom(
    heartbeat('replica', { xlog_location: 7 }),
    heartbeat('master'),
    heartbeat('replica', { pending_restart: true }),
  ),
);

describe('wakeOnChange() and Herd', () => {
  it('know what the key space says, and wake every instance whose decision a change changes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), values, fc.boolean()), { minLength: 1, maxLength: 12 }),
        async (changes) => {
          const watcher = new Watcher();
          const { world, herd } = watcher;
          await settle();
          try {
            for (const [at, value, isEdit] of changes) {
              // What was woken is at rest again, as far as the cells let it.
              for (const id of [...ids, ...ids]) world.pass(id);
              await settle();
              const before = ids.map((id) => watcher.decide(id));
              const own = world.state('f1').nodes[0];
              const absent = ['maintenance/n1', 'registered/n3', 'health/n1', 'health/n2', 'brake'];
              const wish = `/cells/moves/${own?.backend_id}/${own?.node_id}`;
              const mine = ['deletion', 'restored', `nodes/${own?.node_id}/fenced`].map(
                (name) => `/serviceinstances/f1/${name}`,
              );
              const keys = [
                ...world.keys(),
                ...mine,
                '/routing/ports/30001',
                ...absent.map((name) => `/cells/${name}`),
                wish,
                '/service/f1/failover',
              ];
              const key = keys[at % keys.length] as string;
              watcher.woken.clear();
              if (value === undefined) world.delete(key);
              else world.put(key, isEdit ? value : similar(world.text(key) ?? value, at));
              await settle();
              for (const [index, id] of ids.entries()) {
                const { herd: _, ...seen } = herd.view(id);
                const { herd: shared, ...expected } = world.view(id);
                deepStrictEqual(seen, expected);
                expect([...herd.cells.values()].map(plain).sort(byId)).to.deep.equal(
                  [...shared.cells.values()].sort(byId),
                );
                expect(herd.rollouts).to.equal(shared.rollouts);
                expect(herd.deletions(world.nowMs)).to.deep.equal(shared.deletions(world.nowMs));
                expect(herd.quarantine(30001)).to.deep.equal(shared.quarantine(30001));
                expect(herd.brake).to.deep.equal(shared.brake);
                if (before[index] !== '[]' || watcher.decide(id) === '[]' || key.endsWith('/failover')) continue;
                expect([...watcher.woken], `${id} after a change of ${key}`).to.include(id);
              }
            }
          } finally {
            await watcher.stop();
          }
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 15), seed: Number(process.env['SEED'] ?? 1) },
    );
  }).timeout(600_000);

  const quiet: readonly [string, (watcher: Watcher, node: string) => [string, string]][] = [
    ['a heartbeat', (_, node) => [`/service/f1/members/${node}`, heartbeat('replica', { xlog_location: 99 })]],
    ['the WAL position', () => ['/service/f1/status', '{"optime":7}']],
    ['the history', () => ['/service/f1/history', '[[1,2,"x"]]']],
    ['the end of a switchover', () => ['/service/f1/failover', '{}']],
    ['the next port', () => ['/routing/nextport', '30007']],
    [
      'a registration that says the same',
      ({ world }) => ['/cells/registered/n1', world.text('/cells/registered/n1') ?? ''],
    ],
    [
      'a router that got further',
      ({ world }) => [
        '/routing/routers/r1',
        (world.text('/routing/routers/r1') ?? '').replace(/"applied_revision":"\d+"/, '"applied_revision":"999999"'),
      ],
    ],
  ];
  for (const [what, change] of quiet) {
    it(`wake nobody for ${what}`, async () => {
      const watcher = new Watcher();
      await settle();
      const node = watcher.herd
        .view('f1' as InstanceId)
        .nodes.find(({ id }) => id !== watcher.world.text('/service/f1/leader'))?.id;
      for (const id of ids) watcher.decide(id);
      watcher.woken.clear();
      const [key, value] = change(watcher, node as string);
      watcher.world.put(key, value);
      await settle();
      await watcher.stop();
      expect([...watcher.woken]).to.deep.equal([]);
    });
  }
});

/** The text with one of its numbers or flags turned: close to right is what breaks things. */
function similar(text: string, at: number): string {
  const turned = text.replaceAll(/true|false|running|removed|\d+/g, (word) => {
    if (word === 'true') return 'false';
    if (word === 'running') return at % 2 === 0 ? 'removed' : 'stopped';
    return /\d/.test(word) && word.length < 6 ? String(Number(word) + (at % 3)) : word;
  });
  return at % 5 === 0 ? text : turned;
}

const plain = ({ id, registration, inMaintenance, maintenance, health, nodes, memoryMb }: CellView): CellView => ({
  id,
  registration,
  inMaintenance,
  maintenance,
  health,
  nodes,
  memoryMb,
});
const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1);
