import {
  assignmentFacts,
  memberFacts,
  observedFacts,
  routerFacts,
  stateFacts,
} from '../../../src/controller/view/facts.ts';
import type {
  CellView,
  HerdView,
  InstanceView,
  NodeView,
  Settings,
  Versioned,
} from '../../../src/controller/view/instance-view.ts';
import { parseAssignmentKey } from '../../../src/schema/assignment.ts';
import { maintenanceKey, parseMaintenance, parseRegistration, registeredKey } from '../../../src/schema/cell.ts';
import { brakeKey, cellHealthKey, moveKey, parseBrake, parseCellHealth } from '../../../src/schema/cell-health.ts';
import { credentialsKey, parseCredentials } from '../../../src/schema/credentials.ts';
import { deletionBurstMs, deletionKey, parseDeletionOrder } from '../../../src/schema/deletion.ts';
import { desiredStateKey } from '../../../src/schema/desired-state.ts';
import { fenceKey } from '../../../src/schema/fence.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId, type RouterId } from '../../../src/schema/ids.ts';
import { parseInstanceSpec } from '../../../src/schema/instance-spec.ts';
import { parseObservedKey } from '../../../src/schema/observed-node.ts';
import { stateKey } from '../../../src/schema/observed-state.ts';
import type { Parsed } from '../../../src/schema/parsed.ts';
import { configKey, failoverKey, initializeKey, leaderKey, memberKey } from '../../../src/schema/patroni.ts';
import { backendKey, parseBackendKey } from '../../../src/schema/placement.ts';
import { parseQuarantine } from '../../../src/schema/quarantine.ts';
import { parseRestored, restoredKey } from '../../../src/schema/restoration.ts';
import {
  allocationKey,
  allocationPrefix,
  nextPortKey,
  parsePort,
  portsPrefix,
  routersPrefix,
} from '../../../src/schema/routing.ts';
import type { KeyValue } from '../../../src/store/store.ts';

/** The view of one instance, put together from a plain list of all pairs: slow, simple, and the oracle of `view/`. */
export function viewOf(pairs: readonly KeyValue[], id: InstanceId, settings: Settings): InstanceView {
  const byKey = new Map(pairs.map((pair) => [pair.key, pair]));
  const read = <T>(key: string, parse: (text: string) => T) => {
    const pair = byKey.get(key);
    return pair && { value: parse(pair.value), createRevision: pair.createRevision, modRevision: pair.modRevision };
  };
  const text = (value: string) => value;
  return {
    id,
    document: read(desiredStateKey(id), (source) => parseInstanceSpec(source, settings.catalog)),
    state: read(stateKey(id), stateFacts),
    credentials: read(credentialsKey(id), parseCredentials),
    restored: read(restoredKey(id), parseRestored),
    deletion: read(deletionKey(id), parseDeletionOrder),
    nodes: nodesOf(pairs, id, read),
    leader: read(leaderKey(id), text),
    leaderMember: read(memberKey(id, (byKey.get(leaderKey(id))?.value ?? '') as NodeId), memberFacts),
    failover: read(failoverKey(id), text),
    initialize: read(initializeKey(id), text),
    config: read(configKey(id), text),
    allocation: read(allocationKey(id), parsePort),
    heldPorts: pairs
      .filter(({ key, value }) => key.startsWith(portsPrefix) && value === id)
      .map(({ key }) => Number(key.slice(portsPrefix.length))),
    promisedPort: undefined,
    herd: herdOf(pairs, settings, read),
  };
}

type Read = <T>(
  key: string,
  parse: (text: string) => T,
) => { value: T; createRevision: bigint; modRevision: bigint } | undefined;

function nodesOf(pairs: readonly KeyValue[], id: InstanceId, read: Read): NodeView[] {
  const ids = new Set<NodeId>();
  for (const { key } of pairs) {
    const backend = parseBackendKey(key);
    if (backend?.instance === id) ids.add(backend.node);
    const node = (parseAssignmentKey(key) ?? parseObservedKey(key))?.node;
    if (node && instanceOfNode(node) === id) ids.add(node);
  }
  return [...ids].sort().map((node) => ({
    id: node,
    backend: read(backendKey(id, node), (text) => text),
    assignments: pairs.flatMap(({ key }) => {
      const at = parseAssignmentKey(key);
      const entry = at?.node === node ? read(key, (text) => assignmentFacts(text, node)) : undefined;
      return at && entry ? [{ cell: at.cell, entry }] : [];
    }),
    observed: pairs.flatMap(({ key }) => {
      const at = parseObservedKey(key);
      const entry = at?.node === node ? read(key, (text) => observedFacts(text, node)) : undefined;
      return at && entry ? [{ cell: at.cell, entry }] : [];
    }),
    member: read(memberKey(id, node), memberFacts),
    leaving: leavingOf(pairs, node, read),
    isFenced: read(fenceKey(id, node), (text) => text) !== undefined,
  }));
}

const unwrapped = <T>(parsed: Parsed<T> | undefined): T | undefined => (parsed?.ok ? parsed.value : undefined);

function unwrappedVersion<T>(entry: Versioned<Parsed<T>> | undefined): Versioned<T> | undefined {
  return entry?.value.ok ? { ...entry, value: entry.value.value } : undefined;
}

function leavingOf(pairs: readonly KeyValue[], node: NodeId, read: Read): NodeView['leaving'] {
  for (const { key } of pairs) {
    const at = parseAssignmentKey(key);
    const wish = at?.node === node ? read(moveKey(at.cell, node), (text) => text) : undefined;
    if (at && wish) return { cell: at.cell, modRevision: wish.modRevision };
  }
  return undefined;
}

function herdOf(pairs: readonly KeyValue[], settings: Settings, read: Read): HerdView {
  const next = read(nextPortKey, parsePort);
  const below = (prefix: string) => pairs.filter(({ key }) => key.startsWith(prefix));
  return {
    settings,
    cells: cellsOf(pairs, read),
    routers: new Map(
      below(routersPrefix).map(({ key, value }) => [key.slice(routersPrefix.length) as RouterId, routerFacts(value)]),
    ),
    nextPort: next,
    brake: unwrapped(read(brakeKey, parseBrake)?.value),
    portHint: next?.value.ok ? next.value.value : undefined,
    quarantine: (port) => {
      const key = read(`${portsPrefix}${port}`, parseQuarantine);
      if (!key?.value) return undefined;
      const { until, released, confirmed = false } = key.value;
      const { modRevision } = key;
      return { untilMs: Date.parse(until), releasedMs: Date.parse(released), confirmed, modRevision };
    },
    rollouts: pairs.filter(({ key, value }) => {
      const state = /^\/service\/[^/]+\/state$/.test(key) ? stateFacts(value) : undefined;
      return state?.ok && state.value.rollout !== undefined;
    }).length,
    deletions: (nowMs) => countDeletions(pairs, nowMs),
    portHolder: (port) => read(`${portsPrefix}${port}`, (text) => text)?.value,
    allocatedTo: (port) =>
      below(allocationPrefix)
        .filter(({ value }) => value === String(port))
        .map(({ key }) => key.slice(allocationPrefix.length) as InstanceId),
  };
}

function countDeletions(pairs: readonly KeyValue[], nowMs: number) {
  const sinceMs = nowMs - deletionBurstMs;
  const gone = pairs.filter(({ key, value }) => {
    const quarantine = key.startsWith(portsPrefix) ? parseQuarantine(value) : undefined;
    return quarantine && !quarantine.confirmed && Date.parse(quarantine.released) > sinceMs;
  }).length;
  const states = pairs.flatMap(({ key, value }) => {
    const id = /^\/service\/([^/]+)\/state$/.exec(key)?.[1];
    const state = stateFacts(value);
    return id && state.ok ? [{ id: id as InstanceId, ...state.value }] : [];
  });
  const recent = states.filter(({ id, deleted, deleting, accepted }) => {
    if (pairs.some(({ key }) => key === desiredStateKey(id))) return false;
    if (deleted) return !deleted.confirmed && Date.parse(deleted.since) > sinceMs;
    return !deleting && accepted && !accepted.deletion_protection && !accepted.paused;
  }).length;
  return { recent: recent + gone, herd: states.length + gone };
}

function cellsOf(pairs: readonly KeyValue[], read: Read): Map<CellId, CellView> {
  const ids = new Set<CellId>();
  for (const { key } of pairs) {
    const id = /^\/cells\/(?:registered|maintenance|health|assignments|observed)\/([^/]+)/.exec(key)?.[1];
    if (id) ids.add(id as CellId);
  }
  const cells = new Map<CellId, CellView>();
  for (const id of ids) {
    const assigned = pairs.flatMap(({ key, value }) => {
      const at = parseAssignmentKey(key);
      return at?.cell === id ? [assignmentFacts(value, at.node)] : [];
    });
    cells.set(id, {
      id,
      registration: read(registeredKey(id), parseRegistration)?.value,
      inMaintenance: read(maintenanceKey(id), (text) => text) !== undefined,
      maintenance: unwrapped(read(maintenanceKey(id), parseMaintenance)?.value),
      health: unwrappedVersion(read(cellHealthKey(id), parseCellHealth)),
      nodes: assigned.length,
      memoryMb: assigned.reduce((sum, facts) => sum + (facts.ok ? facts.value.memoryMb : 0), 0),
    });
  }
  return cells;
}
