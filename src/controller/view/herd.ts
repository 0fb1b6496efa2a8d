import type { Change, Entry } from '../../engine/informer.ts';
import { assignmentKey, parseAssignmentKey } from '../../schema/assignment.ts';
import { maintenancePrefix, registeredPrefix } from '../../schema/cell.ts';
import { type Brake, brakeKey, cellHealthPrefix, moveKey, parseMoveKey } from '../../schema/cell-health.ts';
import { credentialsKey } from '../../schema/credentials.ts';
import { deletionBurstMs, deletionKey } from '../../schema/deletion.ts';
import { desiredStateKey, instanceOfDesiredStateKey } from '../../schema/desired-state.ts';
import { parseFenceKey } from '../../schema/fence.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId, type RouterId } from '../../schema/ids.ts';
import { observedKey, parseObservedKey } from '../../schema/observed-node.ts';
import { stateKey } from '../../schema/observed-state.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { configKey, failoverKey, initializeKey, leaderKey, memberKey, parseScopeKey } from '../../schema/patroni.ts';
import { backendKey, parseBackendKey } from '../../schema/placement.ts';
import { restoredKey } from '../../schema/restoration.ts';
import { allocationKey, allocationPrefix, nextPortKey, portsPrefix, routersPrefix } from '../../schema/routing.ts';
import { CellIndex } from './cell-index.ts';
import { DeletionIndex } from './deletion-index.ts';
import type { ObservedFacts, RouterFacts } from './facts.ts';
import type { CellFact, InstanceFact, RoutingFact, ScopeFact } from './facts-of-keys.ts';
import type { Informers } from './informers.ts';
import type {
  CellView,
  HerdView,
  InstanceView,
  NodeView,
  OnCell,
  PortQuarantine,
  Settings,
  Versioned,
} from './instance-view.ts';
import type { MoveBudget } from './move-budget.ts';
import { NodeIndex, type NodePlace } from './node-index.ts';
import { PortIndex } from './port-index.ts';

/** Room and ports that a decision takes. */
export interface Takes {
  readonly placements: readonly { readonly node: NodeId; readonly cell: CellId; readonly memoryMb: number }[];
  readonly takesPort: number | undefined;
  readonly startsRollout: boolean;
  readonly moves: number;
}

/**
 * Everything the controller knows, in memory: the informers' caches, and indexes over them that every change updates.
 * A view of one instance is put together from lookups by key; what is about to be committed can be noted in advance.
 */
export class Herd implements HerdView {
  readonly settings: Settings;
  readonly nodes = new NodeIndex();
  readonly cellIndex = new CellIndex();
  readonly ports = new PortIndex();
  readonly #deletions = new DeletionIndex();
  /** Nodes that operators want stopped: mostly none. */
  readonly #fenced = new Set<NodeId>();
  /** Instances that restart their nodes, and those that are about to. */
  readonly #rollouts = new Set<InstanceId>();
  readonly #informers: Informers;
  readonly #routers = new Map<RouterId, Parsed<RouterFacts>>();
  readonly budget: MoveBudget | undefined;
  #brake: Brake | undefined;
  /** How many wishes to move there are: mostly none. */
  #moves = 0;

  /** Without a budget any number of nodes may move at a time. */
  constructor(settings: Settings, informers: Informers, budget?: MoveBudget) {
    this.settings = settings;
    this.budget = budget;
    this.#informers = informers;
    informers.instances.onChange((change) => this.#indexInstance(change));
    informers.scopes.onChange((change) => this.#indexScope(change));
    informers.cells.onChange((change) => this.#indexCell(change));
    informers.routing.onChange((change) => this.#indexRouting(change));
  }

  get cells(): ReadonlyMap<CellId, CellView> {
    return this.cellIndex.cells;
  }

  get routers(): ReadonlyMap<RouterId, Parsed<RouterFacts>> {
    return this.#routers;
  }

  get brake(): Brake | undefined {
    return this.#brake;
  }

  get moves(): number {
    return this.budget?.left(this.cellIndex.registered) ?? Number.POSITIVE_INFINITY;
  }

  get nextPort(): Versioned<Parsed<number>> | undefined {
    return versioned(this.#informers.routing.get(nextPortKey), 'nextport');
  }

  get portHint(): number | undefined {
    const next = this.nextPort?.value;
    return this.ports.hint ?? (next?.ok ? next.value : undefined);
  }

  portHolder(port: number): string | undefined {
    return this.ports.holder(port);
  }

  quarantine(port: number): PortQuarantine | undefined {
    return this.ports.quarantine(port);
  }

  get rollouts(): number {
    return this.#rollouts.size;
  }

  deletions(nowMs: number): { readonly recent: number; readonly herd: number } {
    const gone = this.ports.releasedSince(nowMs - deletionBurstMs);
    return { recent: this.#deletions.recent(nowMs) + gone, herd: this.#deletions.size + gone };
  }

  allocatedTo(port: number): readonly InstanceId[] {
    return this.ports.allocatedTo(port);
  }

  /** What is known about one instance now. */
  view(id: InstanceId): InstanceView {
    const { instances, scopes, routing } = this.#informers;
    const leader = versioned(scopes.get(leaderKey(id)), 'leader');
    return {
      id,
      document: versioned(instances.get(desiredStateKey(id)), 'document'),
      state: versioned(scopes.get(stateKey(id)), 'state'),
      credentials: versioned(instances.get(credentialsKey(id)), 'credentials'),
      restored: versioned(instances.get(restoredKey(id)), 'restored'),
      deletion: versioned(instances.get(deletionKey(id)), 'deletion'),
      nodes: this.nodes.nodes(id).map(([node, place]) => this.#node(id, node, place)),
      leader,
      leaderMember: leader && versioned(scopes.get(memberKey(id, leader.value as NodeId)), 'member'),
      failover: versioned(scopes.get(failoverKey(id)), 'failover'),
      initialize: versioned(scopes.get(initializeKey(id)), 'initialize'),
      config: versioned(scopes.get(configKey(id)), 'config'),
      allocation: versioned(routing.get(allocationKey(id)), 'allocation'),
      heldPorts: this.ports.heldBy(id),
      promisedPort: this.ports.promisedTo(id),
      herd: this,
    };
  }

  /** What the cells report of one node. */
  observed(node: NodeId): OnCell<ObservedFacts>[] {
    const instance = instanceOfNode(node);
    return this.#observed(node, instance ? this.nodes.observedOn(instance, node) : []);
  }

  /** Counts what a decision takes before the store shows it, so that no other decision takes it too. */
  assume(id: InstanceId, { placements, takesPort, moves, startsRollout }: Takes): void {
    if (startsRollout) this.#rollouts.add(id);
    if (moves > 0) this.budget?.take(moves);
    for (const { node, cell, memoryMb } of placements) this.cellIndex.addNode(cell, node, memoryMb);
    if (takesPort !== undefined) this.ports.assume(takesPort, id);
  }

  /** Counts only the room that the store shows again: the decision was committed and seen, or it failed. */
  settle(id: InstanceId, { placements, startsRollout }: Takes): void {
    if (startsRollout) {
      const state = versioned(this.#informers.scopes.get(stateKey(id)), 'state')?.value;
      if (!state?.ok || !state.value.rollout) this.#rollouts.delete(id);
    }
    for (const { node, cell } of placements) {
      if (!this.#informers.cells.get(assignmentKey(cell, node))) this.cellIndex.removeNode(cell, node);
    }
  }

  #node(id: InstanceId, node: NodeId, place: NodePlace): NodeView {
    const { instances, scopes, cells } = this.#informers;
    return {
      id: node,
      backend: versioned(instances.get(backendKey(id, node)), 'backend'),
      assignments: onCells(place.assignments, (cell) => versioned(cells.get(assignmentKey(cell, node)), 'assignment')),
      observed: this.#observed(node, place.observed),
      member: versioned(scopes.get(memberKey(id, node)), 'member'),
      leaving: this.#leaving(node, place.assignments),
      isFenced: this.#fenced.has(node),
    };
  }

  #leaving(node: NodeId, on: readonly CellId[]): NodeView['leaving'] {
    if (this.#moves === 0) return undefined;
    for (const cell of on) {
      const wish = this.#informers.cells.get(moveKey(cell, node));
      if (wish) return { cell, modRevision: wish.modRevision };
    }
    return undefined;
  }

  #observed(node: NodeId, on: readonly CellId[]): OnCell<ObservedFacts>[] {
    return onCells(on, (cell) => versioned(this.#informers.cells.get(observedKey(cell, node)), 'observed'));
  }

  #indexInstance(change: Change<InstanceFact>): void {
    const backend = parseBackendKey(keyOf(change));
    if (backend) this.nodes.setBackend(backend.instance, backend.node, change.type === 'put');
    const fence = backend ? undefined : parseFenceKey(keyOf(change));
    if (fence && change.type === 'put') this.#fenced.add(fence.node);
    else if (fence) this.#fenced.delete(fence.node);
    const id = backend || fence ? undefined : instanceOfDesiredStateKey(keyOf(change));
    if (id) this.#deletions.setDocument(id, change.type === 'put');
  }

  #indexScope(change: Change<ScopeFact>): void {
    const { kind } = (change.type === 'put' ? change.entry : change.old).value;
    const id = kind === 'state' ? parseScopeKey(keyOf(change))?.instance : undefined;
    if (!id) return;
    const fact = change.type === 'put' ? change.entry.value : undefined;
    const state = fact?.kind === 'state' && fact.value.ok ? fact.value.value : undefined;
    this.#deletions.setState(id, state);
    if (state?.rollout) this.#rollouts.add(id);
    else this.#rollouts.delete(id);
  }

  #indexCell(change: Change<CellFact>): void {
    const key = keyOf(change);
    const isThere = change.type === 'put';
    const fact = isThere ? change.entry.value : undefined;
    const assigned = parseAssignmentKey(key);
    const observed = assigned ? undefined : parseObservedKey(key);
    const at = assigned ?? observed;
    const instance = at && instanceOfNode(at.node);
    if (at && instance) {
      this.nodes.setCell(instance, at.node, assigned ? 'assignments' : 'observed', at.cell, isThere);
    }
    if (observed) this.cellIndex.setReported(observed.cell, observed.node, isThere);
    if (assigned && fact?.kind === 'assignment') {
      this.cellIndex.addNode(assigned.cell, assigned.node, fact.value.ok ? fact.value.value.memoryMb : 0);
    } else if (assigned) {
      this.cellIndex.removeNode(assigned.cell, assigned.node);
    } else if (key.startsWith(registeredPrefix)) {
      const registration = fact?.kind === 'registration' ? fact.value : undefined;
      this.cellIndex.setRegistration(key.slice(registeredPrefix.length) as CellId, registration);
    } else if (key.startsWith(maintenancePrefix)) {
      const maintenance = fact?.kind === 'maintenance' ? fact.value : undefined;
      this.cellIndex.setMaintenance(key.slice(maintenancePrefix.length) as CellId, maintenance);
    } else if (key.startsWith(cellHealthPrefix)) {
      const health = fact?.kind === 'health' && fact.value.ok ? fact.value.value : undefined;
      const { createRevision, modRevision } = change.type === 'put' ? change.entry : change.old;
      const id = key.slice(cellHealthPrefix.length) as CellId;
      this.cellIndex.setHealth(id, health && { value: health, createRevision, modRevision });
    } else if (parseMoveKey(key)) {
      if (!isThere) this.#moves -= 1;
      else if (!change.old) this.#moves += 1;
    } else if (key === brakeKey) {
      this.#brake = fact?.kind === 'brake' && fact.value.ok ? fact.value.value : undefined;
    }
  }

  #indexRouting(change: Change<RoutingFact>): void {
    const key = keyOf(change);
    const fact = change.type === 'put' ? change.entry.value : undefined;
    if (key.startsWith(allocationPrefix)) {
      const instance = key.slice(allocationPrefix.length) as InstanceId;
      const old = change.old?.value;
      if (old?.kind === 'allocation' && old.value.ok) this.ports.removeAllocation(old.value.value, instance);
      if (fact?.kind === 'allocation' && fact.value.ok) this.ports.addAllocation(fact.value.value, instance);
    } else if (key.startsWith(portsPrefix)) {
      const port = Number(key.slice(portsPrefix.length));
      this.ports.setHolder(
        port,
        fact?.kind === 'port' ? fact.value : undefined,
        change.type === 'put' ? change.entry.modRevision : 0n,
      );
    } else if (key.startsWith(routersPrefix)) {
      const router = key.slice(routersPrefix.length) as RouterId;
      if (fact?.kind === 'router') this.#routers.set(router, fact.value);
      else this.#routers.delete(router);
    }
  }
}

/** The key that a change is about. */
export const keyOf = <T>(change: Change<T>): string => (change.type === 'put' ? change.entry.key : change.old.key);

function versioned<Fact extends { readonly kind: string; readonly value: unknown }, Kind extends Fact['kind']>(
  entry: Entry<Fact> | undefined,
  kind: Kind,
): Versioned<Extract<Fact, { readonly kind: Kind }>['value']> | undefined {
  if (entry?.value.kind !== kind) return undefined;
  const { value, createRevision, modRevision } = entry;
  return { value: value.value, createRevision, modRevision };
}

function onCells<T>(cells: readonly CellId[], find: (cell: CellId) => Versioned<Parsed<T>> | undefined): OnCell<T>[] {
  return cells.flatMap((cell) => {
    const entry = find(cell);
    return entry ? [{ cell, entry }] : [];
  });
}
