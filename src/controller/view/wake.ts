import { keyOf } from '../../engine/cache.ts';
import type { Change, Entry } from '../../engine/informer.ts';
import { assignmentsPrefix, parseAssignmentKey } from '../../schema/assignment.ts';
import { maintenancePrefix, registeredPrefix } from '../../schema/cell.ts';
import { brakeKey, cellHealthPrefix, parseMoveKey } from '../../schema/cell-health.ts';
import { desiredStatePrefix } from '../../schema/desired-state.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId } from '../../schema/ids.ts';
import { parseObservedKey } from '../../schema/observed-node.ts';
import { leaderKey, parseScopeKey } from '../../schema/patroni.ts';
import { parseQuarantine } from '../../schema/quarantine.ts';
import { allocationPrefix, nextPortKey, portsPrefix } from '../../schema/routing.ts';
import { illness } from '../decide/cell-health.ts';
import type { CellFact, InstanceFact, RoutingFact, ScopeFact } from './facts-of-keys.ts';
import type { Herd } from './herd.ts';
import type { Informers } from './informers.ts';
import type { Waits } from './waits.ts';

/**
 * How soon an instance is looked at: `now` for what people and clients wait for; `soon` for what comes in bursts, so
 * that one pass serves the whole burst; `idle` for what touches many and changes little.
 */
export type Urgency = 'now' | 'soon' | 'idle';

/** Asks for a pass over an instance, or over what looks like the name of one. */
export type Wake = (instance: string, urgency: Urgency) => void;

/** Tells which change concerns which instances. Heartbeats and what no decision depends on wake nobody. */
export function wakeOnChange(informers: Informers, herd: Herd, waits: Waits, wake: Wake): void {
  informers.instances.onChange((change) => wakeOnInstance(change, wake));
  informers.scopes.onChange((change) => wakeOnScope(change, informers, wake));
  informers.cells.onChange((change) => wakeOnCell(change, herd, waits, wake));
  informers.routing.onChange((change) => wakeOnRouting(change, informers, herd, waits, wake));
}

function wakeOnInstance(change: Change<InstanceFact>, wake: Wake): void {
  const name = keyOf(change).slice(desiredStatePrefix.length);
  const { kind } = (change.type === 'put' ? change.entry : change.old).value;
  if (kind === 'document') wake(name, isInitial(change) ? 'idle' : 'now');
  // A key that is none of ours is told of once, when it appears.
  else if (kind === 'unknown' && change.type === 'put') wake(name, 'idle');
  else if (kind !== 'unknown') wake(name.slice(0, name.indexOf('/')), isInitial(change) ? 'idle' : 'soon');
}

function wakeOnScope(change: Change<ScopeFact>, { scopes }: Informers, wake: Wake): void {
  const instance = parseScopeKey(keyOf(change))?.instance;
  if (!instance) return;
  const entry = change.type === 'put' ? change.entry : undefined;
  const { kind } = (entry ?? (change.old as Entry<ScopeFact>)).value;
  // A switchover that Patroni ended changes the leader key; asking again at once would go round in circles.
  if (kind === 'unknown' || kind === 'failover') return;
  if (kind === 'leader' && !isInitial(change)) wake(instance, 'now');
  else if (entry && change.old && isSame(entry.value.value, change.old.value.value)) {
    // A member that goes on claiming to lead after another took the key is no mere heartbeat.
    const claims =
      kind === 'member' && entry.value.kind === kind && entry.value.value.ok && entry.value.value.value.primary;
    if (claims && scopes.get(leaderKey(instance))?.value.value !== keyOf(change).split('/').at(-1))
      wake(instance, 'soon');
  } else wake(instance, isInitial(change) ? 'idle' : 'soon');
}

function wakeOnCell(change: Change<CellFact>, herd: Herd, waits: Waits, wake: Wake): void {
  const key = keyOf(change);
  const urgency = isInitial(change) ? 'idle' : 'soon';
  const node = (parseAssignmentKey(key) ?? parseObservedKey(key))?.node;
  if (change.type === 'put' && change.old && isSame(change.entry.value, change.old.value)) return;
  if (node) {
    const instance = instanceOfNode(node);
    if (instance) wake(instance, urgency);
    if (change.type === 'delete' && key.startsWith(assignmentsPrefix)) wakeAll(waits.forRoom(), wake);
  } else if (key.startsWith(registeredPrefix)) {
    const cell = key.slice(registeredPrefix.length) as CellId;
    for (const instance of herd.cellIndex.instancesOn(cell)) wake(instance, urgency);
    wakeAll(waits.forRoom(), wake);
  } else if (key.startsWith(maintenancePrefix) || key.startsWith(cellHealthPrefix)) {
    const cell = key.slice(key.lastIndexOf('/') + 1) as CellId;
    for (const instance of herd.cellIndex.instancesOn(cell)) wake(instance, urgency);
    wakeAll(waits.forRoom(), wake);
  } else if (key === brakeKey) {
    for (const cell of herd.cells.values()) {
      if (illness(cell)) for (const instance of herd.cellIndex.instancesOn(cell.id)) wake(instance, 'idle');
    }
  } else {
    const instance = instanceOfNode(parseMoveKey(key)?.node ?? ('' as NodeId));
    if (instance) wake(instance, urgency);
  }
}

function wakeOnRouting(change: Change<RoutingFact>, { scopes }: Informers, herd: Herd, waits: Waits, wake: Wake): void {
  const key = keyOf(change);
  const fact = change.type === 'put' ? change.entry.value : undefined;
  const old = change.old?.value;
  const urgency = isInitial(change) ? 'idle' : 'soon';
  if (key.startsWith(allocationPrefix)) {
    wake(key.slice(allocationPrefix.length), urgency);
    for (const each of [fact, old]) {
      if (each?.kind !== 'allocation' || !each.value.ok) continue;
      for (const instance of herd.allocatedTo(each.value.value)) wake(instance, urgency);
    }
  } else if (key.startsWith(portsPrefix)) {
    for (const each of [fact, old])
      if (each?.kind === 'port' && !parseQuarantine(each.value)) wake(each.value, urgency);
    for (const instance of herd.allocatedTo(Number(key.slice(portsPrefix.length)))) wake(instance, urgency);
    if (!fact) wakeAll(waits.forRoom(), wake);
  } else if (key === nextPortKey) {
    if (old?.kind !== 'nextport' || !old.value.ok) wakeAll(waits.forRoom(), wake);
  } else if (fact?.kind === 'router' && old?.kind === 'router' && isOnlyFurther(old, fact)) {
    if (fact.value.ok) for (const instance of waits.forRoute(fact.value.value.appliedRevision)) wake(instance, 'now');
  } else if (fact?.kind === 'router' || old?.kind === 'router') {
    for (const { key: scopeKey, value } of scopes.entries()) {
      const instance = value.kind === 'state' && parseScopeKey(scopeKey)?.instance;
      if (instance) wake(instance, 'idle');
    }
  }
}

type RouterFact = Extract<RoutingFact, { kind: 'router' }>;

function isOnlyFurther(old: RouterFact, fact: RouterFact): boolean {
  if (!old.value.ok || !fact.value.ok) return false;
  const { appliedRevision: from, ...before } = old.value.value;
  const { appliedRevision: to, ...after } = fact.value.value;
  return from <= to && JSON.stringify(before) === JSON.stringify(after);
}

function wakeAll(instances: Iterable<InstanceId>, wake: Wake): void {
  for (const instance of instances) wake(instance, 'idle');
}

const isInitial = <T>(change: Change<T>): boolean => change.type === 'put' && change.initial;

// The values of facts hold no revisions (a router's are looked at apart), so that equal text means an equal fact.
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
