import { type Change, keyOf } from '../../engine/cache.ts';
import { parseAssignmentKey } from '../../schema/assignment.ts';
import { maintenancePrefix, registeredPrefix } from '../../schema/cell.ts';
import { type Brake, brakeKey, cellHealthPrefix, parseMoveKey } from '../../schema/cell-health.ts';
import { instanceOfDesiredStateKey } from '../../schema/desired-state.ts';
import { parseFenceKey } from '../../schema/fence.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId, type RouterId } from '../../schema/ids.ts';
import { parseObservedKey } from '../../schema/observed-node.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { parseScopeKey } from '../../schema/patroni.ts';
import { parseBackendKey } from '../../schema/placement.ts';
import { allocationPrefix, portsPrefix, routersPrefix } from '../../schema/routing.ts';
import { CellIndex } from './cell-index.ts';
import { DeletionIndex } from './deletion-index.ts';
import type { RouterFacts } from './facts.ts';
import type { CellFact, InstanceFact, RoutingFact, ScopeFact } from './facts-of-keys.ts';
import type { Informers } from './informers.ts';
import { NodeIndex } from './node-index.ts';
import { PortIndex } from './port-index.ts';

/** What passes ask for by something else than a key: kept up to date by every change that the informers hear of. */
export class HerdIndexes {
  readonly nodes = new NodeIndex();
  readonly cells = new CellIndex();
  readonly ports = new PortIndex();
  readonly deletions = new DeletionIndex();
  /** Nodes that operators want stopped: mostly none. */
  readonly fenced = new Set<NodeId>();
  /** Instances that restart their nodes, and those that are about to. */
  readonly rollouts = new Set<InstanceId>();
  readonly routers = new Map<RouterId, Parsed<RouterFacts>>();
  brake: Brake | undefined;
  /** How many wishes to move there are: mostly none. */
  moves = 0;

  constructor(informers: Informers) {
    informers.instances.onChange((change) => this.#indexInstance(change));
    informers.scopes.onChange((change) => this.#indexScope(change));
    informers.cells.onChange((change) => this.#indexCell(change));
    informers.routing.onChange((change) => this.#indexRouting(change));
  }

  #indexInstance(change: Change<InstanceFact>): void {
    const backend = parseBackendKey(keyOf(change));
    if (backend) this.nodes.setBackend(backend.instance, backend.node, change.type === 'put');
    const fence = backend ? undefined : parseFenceKey(keyOf(change));
    if (fence && change.type === 'put') this.fenced.add(fence.node);
    else if (fence) this.fenced.delete(fence.node);
    const id = backend || fence ? undefined : instanceOfDesiredStateKey(keyOf(change));
    if (id) this.deletions.setDocument(id, change.type === 'put');
  }

  #indexScope(change: Change<ScopeFact>): void {
    const { kind } = (change.type === 'put' ? change.entry : change.old).value;
    const id = kind === 'state' ? parseScopeKey(keyOf(change))?.instance : undefined;
    if (!id) return;
    const fact = change.type === 'put' ? change.entry.value : undefined;
    const state = fact?.kind === 'state' && fact.value.ok ? fact.value.value : undefined;
    this.deletions.setState(id, state);
    if (state?.rollout) this.rollouts.add(id);
    else this.rollouts.delete(id);
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
    if (observed) this.cells.setReported(observed.cell, observed.node, isThere);
    if (assigned && fact?.kind === 'assignment') {
      this.cells.addNode(assigned.cell, assigned.node, fact.value.ok ? fact.value.value.memoryMb : 0);
    } else if (assigned) {
      this.cells.removeNode(assigned.cell, assigned.node);
    } else if (key.startsWith(registeredPrefix)) {
      const registration = fact?.kind === 'registration' ? fact.value : undefined;
      this.cells.setRegistration(key.slice(registeredPrefix.length) as CellId, registration);
    } else if (key.startsWith(maintenancePrefix)) {
      const maintenance = fact?.kind === 'maintenance' ? fact.value : undefined;
      this.cells.setMaintenance(key.slice(maintenancePrefix.length) as CellId, maintenance);
    } else if (key.startsWith(cellHealthPrefix)) {
      const health = fact?.kind === 'health' && fact.value.ok ? fact.value.value : undefined;
      const { createRevision, modRevision } = change.type === 'put' ? change.entry : change.old;
      const id = key.slice(cellHealthPrefix.length) as CellId;
      this.cells.setHealth(id, health && { value: health, createRevision, modRevision });
    } else if (parseMoveKey(key)) {
      if (!isThere) this.moves -= 1;
      else if (!change.old) this.moves += 1;
    } else if (key === brakeKey) {
      this.brake = fact?.kind === 'brake' && fact.value.ok ? fact.value.value : undefined;
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
      if (fact?.kind === 'router') this.routers.set(router, fact.value);
      else this.routers.delete(router);
    }
  }
}
