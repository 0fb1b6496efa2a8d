import type { Entry } from '../../engine/informer.ts';
import { assignmentKey } from '../../schema/assignment.ts';
import { type Brake, moveKey } from '../../schema/cell-health.ts';
import { credentialsKey } from '../../schema/credentials.ts';
import { deletionBurstMs, deletionKey } from '../../schema/deletion.ts';
import { desiredStateKey } from '../../schema/desired-state.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId, type RouterId } from '../../schema/ids.ts';
import { observedKey } from '../../schema/observed-node.ts';
import { stateKey } from '../../schema/observed-state.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { configKey, failoverKey, initializeKey, leaderKey, memberKey } from '../../schema/patroni.ts';
import { backendKey } from '../../schema/placement.ts';
import { restoredKey } from '../../schema/restoration.ts';
import { allocationKey, nextPortKey } from '../../schema/routing.ts';
import type { CellIndex } from './cell-index.ts';
import type { ObservedFacts, RouterFacts } from './facts.ts';
import { HerdIndexes } from './herd-indexes.ts';
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
import type { NodeIndex, NodePlace } from './node-index.ts';
import type { PortIndex } from './port-index.ts';

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
  readonly budget: MoveBudget | undefined;
  readonly #informers: Informers;
  readonly #indexes: HerdIndexes;

  /** Without a budget any number of nodes may move at a time. */
  constructor(settings: Settings, informers: Informers, budget?: MoveBudget) {
    this.settings = settings;
    this.budget = budget;
    this.#informers = informers;
    this.#indexes = new HerdIndexes(informers);
  }

  get nodes(): NodeIndex {
    return this.#indexes.nodes;
  }

  get cellIndex(): CellIndex {
    return this.#indexes.cells;
  }

  get ports(): PortIndex {
    return this.#indexes.ports;
  }

  get cells(): ReadonlyMap<CellId, CellView> {
    return this.cellIndex.cells;
  }

  get routers(): ReadonlyMap<RouterId, Parsed<RouterFacts>> {
    return this.#indexes.routers;
  }

  get brake(): Brake | undefined {
    return this.#indexes.brake;
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
    return this.#indexes.rollouts.size;
  }

  deletions(nowMs: number): { readonly recent: number; readonly herd: number } {
    const gone = this.ports.releasedSince(nowMs - deletionBurstMs);
    return { recent: this.#indexes.deletions.recent(nowMs) + gone, herd: this.#indexes.deletions.size + gone };
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
    if (startsRollout) this.#indexes.rollouts.add(id);
    if (moves > 0) this.budget?.take(moves);
    for (const { node, cell, memoryMb } of placements) this.cellIndex.addNode(cell, node, memoryMb);
    if (takesPort !== undefined) this.ports.assume(takesPort, id);
  }

  /** Counts only the room that the store shows again: the decision was committed and seen, or it failed. */
  settle(id: InstanceId, { placements, startsRollout }: Takes): void {
    if (startsRollout) {
      const state = versioned(this.#informers.scopes.get(stateKey(id)), 'state')?.value;
      if (!state?.ok || !state.value.rollout) this.#indexes.rollouts.delete(id);
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
      isFenced: this.#indexes.fenced.has(node),
    };
  }

  #leaving(node: NodeId, on: readonly CellId[]): NodeView['leaving'] {
    if (this.#indexes.moves === 0) return undefined;
    for (const cell of on) {
      const wish = this.#informers.cells.get(moveKey(cell, node));
      if (wish) return { cell, modRevision: wish.modRevision };
    }
    return undefined;
  }

  #observed(node: NodeId, on: readonly CellId[]): OnCell<ObservedFacts>[] {
    return onCells(on, (cell) => versioned(this.#informers.cells.get(observedKey(cell, node)), 'observed'));
  }
}

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
