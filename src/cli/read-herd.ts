import { assignmentsPrefix, parseAssignment, parseAssignmentKey } from '../schema/assignment.ts';
import { catalogKey, defaultCatalog, parseCatalog } from '../schema/catalog.ts';
import {
  cellsPrefix,
  maintenancePrefix,
  parseMaintenance,
  parseRegistration,
  registeredPrefix,
} from '../schema/cell.ts';
import { type Brake, brakeKey, cellHealthPrefix, parseBrake, parseCellHealth } from '../schema/cell-health.ts';
import { desiredStatePrefix } from '../schema/desired-state.ts';
import { controllerLeaderKey } from '../schema/election.ts';
import { eventsPrefix, parseEvent } from '../schema/event.ts';
import { observedPrefix, parseObservedKey, parseObservedNode } from '../schema/observed-node.ts';
import { parseObservedState } from '../schema/observed-state.ts';
import { parseMember, parseScopeKey, servicePrefix } from '../schema/patroni.ts';
import { parseBackendKey } from '../schema/placement.ts';
import { allocationPrefix, parsePort, parseRouter, routersPrefix, routingPrefix } from '../schema/routing.ts';
import { type KeyRange, type KeyValue, prefixRange } from '../store/store.ts';
import type { CellView, EventView, Herd, InstanceView, NodeView, RouterView } from './herd.ts';

const only = (key: string): KeyRange => ({ start: key, end: `${key}\0` });

/** Where the herd is kept, without its events. */
export const herdRanges: readonly KeyRange[] = [
  only(catalogKey),
  only(controllerLeaderKey),
  ...[cellsPrefix, routingPrefix, servicePrefix, desiredStatePrefix].map(prefixRange),
];

/** Where its events are. */
export const eventRanges: readonly KeyRange[] = [prefixRange(eventsPrefix)];

/** Sorts the keys of the herd into views; a value that cannot be read is kept as the sentence that says why. */
export function readHerd(keys: Iterable<KeyValue>): Herd {
  const reader = new HerdReader();
  for (const kv of keys) reader.read(kv);
  return reader.finish();
}

class HerdReader {
  #controller: string | undefined;
  #catalog = defaultCatalog;
  #brake: Brake | undefined;
  readonly #instances = new Map<string, InstanceView>();
  readonly #nodes = new Map<string, NodeView>();
  readonly #cells = new Map<string, CellView>();
  readonly #routers = new Map<string, RouterView>();
  readonly #events: EventView[] = [];

  read(kv: KeyValue): void {
    const { key, value } = kv;
    if (key.startsWith(servicePrefix)) this.#service(kv);
    else if (key.startsWith(desiredStatePrefix)) this.#desired(kv);
    else if (key.startsWith(assignmentsPrefix)) this.#assignment(key, value);
    else if (key.startsWith(observedPrefix)) this.#observed(key, value);
    else if (key.startsWith(allocationPrefix)) {
      this.#instance(key.slice(allocationPrefix.length)).allocation = parsePort(value);
    } else if (key.startsWith(registeredPrefix)) {
      this.#cell(key.slice(registeredPrefix.length)).registration = parseRegistration(value);
    } else if (key.startsWith(maintenancePrefix)) {
      this.#cell(key.slice(maintenancePrefix.length)).maintenance = parseMaintenance(value);
    } else if (key.startsWith(cellHealthPrefix)) {
      this.#cell(key.slice(cellHealthPrefix.length)).health = parseCellHealth(value);
    } else if (key === brakeKey) {
      const brake = parseBrake(value);
      if (brake.ok) this.#brake = brake.value;
    } else if (key.startsWith(routersPrefix)) {
      const id = key.slice(routersPrefix.length);
      this.#routers.set(id, { id, registration: parseRouter(value) });
    } else if (key.startsWith(eventsPrefix)) {
      const event = parseEvent(value);
      if (event.ok) this.#events.push({ id: key.slice(eventsPrefix.length), event: event.value });
    } else if (key === controllerLeaderKey) this.#controller = value;
    else if (key === catalogKey) {
      const catalog = parseCatalog(value);
      if (catalog.ok) this.#catalog = catalog.value;
    }
  }

  finish(): Herd {
    for (const node of this.#nodes.values()) {
      this.#instance(node.instance).nodes.push(node);
      this.#cell(node.cell).nodes.push(node);
    }
    for (const { nodes } of [...this.#instances.values(), ...this.#cells.values()]) nodes.sort(byId);
    return {
      controller: this.#controller,
      catalog: this.#catalog,
      brake: this.#brake,
      instances: sorted(this.#instances),
      nodes: sorted(this.#nodes),
      cells: sorted(this.#cells),
      routers: sorted(this.#routers),
      events: this.#events.sort(byId),
    };
  }

  #service({ key, value, modRevision }: KeyValue): void {
    const scope = parseScopeKey(key);
    if (scope?.rest === 'state') this.#instance(scope.instance).state = parseObservedState(value);
    else if (scope?.rest === 'leader') {
      const instance = this.#instance(scope.instance);
      instance.leader = value;
      instance.leaderRevision = modRevision;
    } else if (scope?.rest.startsWith('members/')) {
      this.#instance(scope.instance).members.set(scope.rest.slice('members/'.length), parseMember(value));
    }
  }

  #desired(kv: KeyValue): void {
    const backend = parseBackendKey(kv.key);
    const id = kv.key.slice(desiredStatePrefix.length);
    if (backend) this.#node(backend.node, backend.instance, kv.value);
    else if (!id.includes('/')) this.#instance(id).document = kv;
  }

  #assignment(key: string, value: string): void {
    const place = parseAssignmentKey(key);
    if (!place) return;
    const assignment = parseAssignment(value);
    this.#node(place.node, assignment.ok ? assignment.value.instance : undefined, place.cell).assignment = assignment;
  }

  #observed(key: string, value: string): void {
    const place = parseObservedKey(key);
    if (!place) return;
    const observed = parseObservedNode(value);
    this.#node(place.node, observed.ok ? observed.value.instance : undefined, place.cell).observed = observed;
  }

  #node(id: string, instance: string | undefined, cell: string): NodeView {
    // Node ids are their instance's, a dash and a random part: good enough where nothing readable says it.
    return getOrAdd(this.#nodes, id, () => ({ id, instance: instance ?? id.replace(/-[^-]*$/, ''), cell }));
  }

  #instance(id: string): InstanceView {
    return getOrAdd(this.#instances, id, () => ({ id, members: new Map(), nodes: [] }));
  }

  #cell(id: string): CellView {
    return getOrAdd(this.#cells, id, () => ({ id, nodes: [] }));
  }
}

function getOrAdd<T>(map: Map<string, T>, id: string, create: () => T): T {
  let value = map.get(id);
  if (value === undefined) {
    value = create();
    map.set(id, value);
  }
  return value;
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);

const sorted = <T extends { readonly id: string }>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
  new Map([...map.values()].sort(byId).map((each) => [each.id, each]));
