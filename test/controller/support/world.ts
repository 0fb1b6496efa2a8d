import { decide } from '../../../src/controller/decide/decide.ts';
import type { Decision } from '../../../src/controller/decide/decision.ts';
import type { InstanceView, Settings } from '../../../src/controller/view/instance-view.ts';
import { defaultCatalog } from '../../../src/schema/catalog.ts';
import { type CellRegistration, registeredKey } from '../../../src/schema/cell.ts';
import { desiredStateKey } from '../../../src/schema/desired-state.ts';
import type { CellId, InstanceId } from '../../../src/schema/ids.ts';
import { type Condition, type ObservedState, stateKey } from '../../../src/schema/observed-state.ts';
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
  /** Transactions of the controller that were applied. */
  writes = 0;
  #random: number;

  constructor(options: { seed?: number; settings?: Partial<Settings> } = {}) {
    this.#random = options.seed ?? 1;
    this.settings = {
      catalog: defaultCatalog,
      portRange: { first: 30000, last: 30009 },
      image: 'postgresql-patroni',
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
    return decide(this.view(id, pairs), new Date(this.nowMs), (max) => this.random(max));
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
    const decision = this.decide(id, pairs);
    this.commit(decision);
    return decision;
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
