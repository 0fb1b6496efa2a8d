import { illness } from '../../../src/controller/decide/cell-health.ts';
import { decide } from '../../../src/controller/decide/decide.ts';
import type { Decision } from '../../../src/controller/decide/decision.ts';
import { decideFleet, type FleetDecision, type FleetView } from '../../../src/controller/decide/fleet.ts';
import type { InstanceView, Settings } from '../../../src/controller/view/instance-view.ts';
import { parseAssignmentKey } from '../../../src/schema/assignment.ts';
import { defaultCatalog } from '../../../src/schema/catalog.ts';
import { type CellRegistration, registeredKey } from '../../../src/schema/cell.ts';
import { brakeKey, parseBrake } from '../../../src/schema/cell-health.ts';
import { desiredStateKey } from '../../../src/schema/desired-state.ts';
import { type CellId, type InstanceId, instanceOfNode } from '../../../src/schema/ids.ts';
import { type Condition, type ObservedState, stateKey } from '../../../src/schema/observed-state.ts';
import { memberKey } from '../../../src/schema/patroni.ts';
import { nextPortKey } from '../../../src/schema/routing.ts';
import { Keyspace } from '../../../src/store/keyspace.ts';
import type { Compare, KeyValue } from '../../../src/store/store.ts';
import { viewOf } from './view-of.ts';

const everything = { start: '/', end: '0' };

/** A key space in this process, and the controller's passes over it, without anything that runs by itself. */
export class World {
  readonly keyspace = new Keyspace();
  readonly settings: Settings;
  /** Moves by a second with every pass. */
  nowMs = Date.UTC(2026, 0, 1);
  /** Moves with it, unless somebody sets the clock. */
  monotonicMs = 0;
  readonly #illSince = new Map<CellId, number>();
  /** Transactions of the controller that were applied. */
  writes = 0;
  #random: number;

  constructor(options: { seed?: number; settings?: Partial<Settings> } = {}) {
    this.#random = options.seed ?? 1;
    this.settings = {
      catalog: defaultCatalog,
      portRange: { first: 30000, last: 30009 },
      image: 'postgresql-patroni',
      deletionGraceMs: 0,
      deletionBurst: 5,
      portQuarantineMs: 0,
      maxConcurrentRollouts: 10,
      ...options.settings,
    };
    this.put(nextPortKey, String(this.settings.portRange.first));
  }

  put(key: string, value: unknown): void {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    this.keyspace.txn({ if: [], then: [{ type: 'put', key, value: text }] });
  }

  delete(key: string): void {
    this.keyspace.txn({ if: [], then: [{ type: 'delete', key }] });
  }

  /** Whether all comparisons held and the writes were done. */
  txn(compares: readonly Compare[], writes: Readonly<Record<string, unknown>>): boolean {
    const then = Object.entries(writes).map(([key, value]) =>
      value === undefined
        ? { type: 'delete' as const, key }
        : { type: 'put' as const, key, value: typeof value === 'string' ? value : JSON.stringify(value) },
    );
    return this.keyspace.txn({ if: compares, then }).succeeded;
  }

  text(key: string): string | undefined {
    return this.keyspace.get(key)?.value;
  }

  json<T = Record<string, unknown>>(key: string): T | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  keys(prefix = '/'): string[] {
    return this.pairs()
      .map(({ key }) => key)
      .filter((key) => key.startsWith(prefix));
  }

  pairs(): KeyValue[] {
    return this.keyspace.list(everything);
  }

  apply(id: string, document: unknown): void {
    this.put(desiredStateKey(id as InstanceId), document);
  }

  cell(id: string, zone: string, more: Partial<CellRegistration> = {}): void {
    const registration: CellRegistration = {
      cell: id,
      hostname: `${id}.test`,
      address: '127.0.0.1',
      zone,
      labels: {},
      capacity: { nodes: 8, memory_mb: 8192 },
      runtime: 'simulated',
      postgresql_versions: ['15', '16'],
      images: true,
      version: '0',
      boot_id: '1',
      ...more,
    };
    this.put(registeredKey(id as CellId), registration);
  }

  view(id: string, pairs: readonly KeyValue[] = this.pairs()): InstanceView {
    return viewOf(pairs, id as InstanceId, this.settings);
  }

  decide(id: string, pairs: readonly KeyValue[] = this.pairs()): Decision {
    return this.decideOn(this.view(id, pairs));
  }

  decideOn(view: InstanceView): Decision {
    return decide(view, new Date(this.nowMs), (max) => this.random(max));
  }

  commit({ compares, ops }: Decision): boolean {
    if (ops.length === 0) return true;
    const { succeeded } = this.keyspace.txn({ if: compares, then: ops });
    if (succeeded) this.writes += 1;
    return succeeded;
  }

  /** One pass over the instance, from what `pairs` shows: by default the present. */
  pass(id: string, pairs: readonly KeyValue[] = this.pairs()): Decision {
    this.nowMs += 1000;
    this.monotonicMs += 1000;
    const decision = this.decide(id, pairs);
    this.commit(decision);
    return decision;
  }

  /** One pass over the fleet; `takesMs` is the time that passes before it. */
  fleetPass(takesMs = 1000, lostAfterMs = 300_000): FleetDecision {
    this.nowMs += takesMs;
    this.monotonicMs += takesMs;
    const decision = decideFleet(this.fleet(lostAfterMs), new Date(this.nowMs));
    if (decision.ops.length > 0)
      this.writes += Number(this.keyspace.txn({ if: decision.compares, then: decision.ops }).succeeded);
    return decision;
  }

  fleet(lostAfterMs = 300_000): FleetView {
    const keys = this.keys();
    const { cells } = this.view('nobody').herd;
    for (const id of this.#illSince.keys()) if (!cells.has(id)) this.#illSince.delete(id);
    const entry = this.keyspace.get(brakeKey);
    const brake = entry && parseBrake(entry.value);
    return {
      cells: [...cells.values()].map((cell) => {
        if (illness(cell) === undefined) this.#illSince.delete(cell.id);
        else if (!this.#illSince.has(cell.id)) this.#illSince.set(cell.id, this.monotonicMs);
        const assigned = keys.flatMap((key) => {
          const at = parseAssignmentKey(key);
          return at?.cell === cell.id ? [at.node] : [];
        });
        return {
          cell,
          members: assigned.filter((node) => this.text(memberKey(instanceOfNode(node) as InstanceId, node))).length,
          reported: keys.filter((key) => key.startsWith(`/cells/observed/${cell.id}/`)).length,
          seenIllMs: this.monotonicMs - (this.#illSince.get(cell.id) ?? this.monotonicMs),
        };
      }),
      brake: entry && brake?.ok ? { ...entry, value: brake.value } : undefined,
      lostAfterMs,
    };
  }

  /** A new controller has seen nothing yet. */
  restartController(): void {
    this.#illSince.clear();
  }

  state(id: string): ObservedState {
    const state = this.json<ObservedState>(stateKey(id as InstanceId));
    if (!state) throw new Error(`${id} has no state`);
    return state;
  }

  condition(id: string, type: Condition['type']): Condition | undefined {
    return this.state(id).conditions.find((each) => each.type === type);
  }

  /** A small generator, so that a run is the same for the same seed. */
  random(exclusiveMax: number): number {
    this.#random = (this.#random * 48271) % 2147483647;
    return Math.floor((this.#random / 2147483647) * exclusiveMax);
  }
}
