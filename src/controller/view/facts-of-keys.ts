import { parseAssignmentKey } from '../../schema/assignment.ts';
import type { Catalog } from '../../schema/catalog.ts';
import {
  type CellRegistration,
  type Maintenance,
  maintenancePrefix,
  parseMaintenance,
  parseRegistration,
  registeredPrefix,
} from '../../schema/cell.ts';
import {
  type Brake,
  brakeKey,
  type CellHealth,
  cellHealthPrefix,
  parseBrake,
  parseCellHealth,
  parseMoveKey,
} from '../../schema/cell-health.ts';
import { type Credentials, parseCredentials, parseCredentialsKey } from '../../schema/credentials.ts';
import { type DeletionOrder, parseDeletionKey, parseDeletionOrder } from '../../schema/deletion.ts';
import { instanceOfDesiredStateKey } from '../../schema/desired-state.ts';
import { parseFenceKey } from '../../schema/fence.ts';
import { type InstanceSpec, parseInstanceSpec } from '../../schema/instance-spec.ts';
import { parseObservedKey } from '../../schema/observed-node.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { parseScopeKey } from '../../schema/patroni.ts';
import { parseBackendKey } from '../../schema/placement.ts';
import { parseRestored, parseRestoredKey, type Restored } from '../../schema/restoration.ts';
import { allocationPrefix, nextPortKey, parsePort, portsPrefix, routersPrefix } from '../../schema/routing.ts';
import type { KeyValue } from '../../store/store.ts';
import {
  type AssignmentFacts,
  assignmentFacts,
  type MemberFacts,
  type ObservedFacts,
  observedFacts,
  type RouterFacts,
  readMember,
  routerFacts,
  type StateFacts,
  stateFacts,
} from './facts.ts';

/** What the informers keep of a pair: no more than decisions need, for there are hundreds of thousands. */
interface Fact<Kind extends string, Value> {
  readonly kind: Kind;
  readonly value: Value;
}

/** Below `/serviceinstances/`. */
export type InstanceFact =
  | Fact<'document', Parsed<InstanceSpec>>
  | Fact<'backend', string>
  | Fact<'credentials', Parsed<Credentials>>
  | Fact<'deletion', Parsed<DeletionOrder>>
  | Fact<'fence', string>
  | Fact<'restored', Parsed<Restored>>
  | Fact<'unknown', undefined>;

/** Below `/service/`. */
export type ScopeFact =
  | Fact<'state', Parsed<StateFacts>>
  | (Fact<'member', Parsed<MemberFacts>> & { readonly position?: number })
  | Fact<'leader', string>
  | Fact<'failover', string>
  | Fact<'initialize', string>
  | Fact<'config', string>
  | Fact<'unknown', undefined>;

/** Below `/cells/`. */
export type CellFact =
  | Fact<'registration', Parsed<CellRegistration>>
  | Fact<'maintenance', Parsed<Maintenance>>
  | Fact<'health', Parsed<CellHealth>>
  | Fact<'brake', Parsed<Brake>>
  | Fact<'move', undefined>
  | Fact<'assignment', Parsed<AssignmentFacts>>
  | Fact<'observed', Parsed<ObservedFacts>>
  | Fact<'unknown', undefined>;

/** Below `/routing/`. */
export type RoutingFact =
  | Fact<'allocation', Parsed<number>>
  | Fact<'port', string>
  | Fact<'nextport', Parsed<number>>
  | Fact<'router', Parsed<RouterFacts>>
  | Fact<'unknown', undefined>;

const unknown: Fact<'unknown', undefined> = { kind: 'unknown', value: undefined };
const move: Fact<'move', undefined> = { kind: 'move', value: undefined };

/** Reads the pairs below `/serviceinstances/`. */
export function readInstanceFact({ key, value }: KeyValue, catalog: Catalog): InstanceFact {
  if (instanceOfDesiredStateKey(key)) return { kind: 'document', value: parseInstanceSpec(value, catalog) };
  if (parseBackendKey(key)) return { kind: 'backend', value };
  if (parseCredentialsKey(key)) return { kind: 'credentials', value: parseCredentials(value) };
  if (parseDeletionKey(key)) return { kind: 'deletion', value: parseDeletionOrder(value) };
  if (parseFenceKey(key)) return { kind: 'fence', value };
  if (parseRestoredKey(key)) return { kind: 'restored', value: parseRestored(value) };
  return unknown;
}

/** Reads the pairs below `/service/`. */
export function readScopeFact({ key, value }: KeyValue): ScopeFact {
  const rest = parseScopeKey(key)?.rest;
  if (rest === 'state') return { kind: 'state', value: stateFacts(value) };
  if (rest === 'leader' || rest === 'failover' || rest === 'initialize' || rest === 'config') {
    return { kind: rest, value };
  }
  if (rest?.startsWith('members/')) return { kind: 'member', ...readMember(value) };
  return unknown;
}

/** Reads the pairs below `/cells/`. */
export function readCellFact({ key, value }: KeyValue): CellFact {
  const assigned = parseAssignmentKey(key);
  if (assigned) return { kind: 'assignment', value: assignmentFacts(value, assigned.node) };
  const observed = parseObservedKey(key);
  if (observed) return { kind: 'observed', value: observedFacts(value, observed.node) };
  if (key.startsWith(registeredPrefix)) return { kind: 'registration', value: parseRegistration(value) };
  if (key.startsWith(maintenancePrefix)) return { kind: 'maintenance', value: parseMaintenance(value) };
  if (key.startsWith(cellHealthPrefix)) return { kind: 'health', value: parseCellHealth(value) };
  if (key === brakeKey) return { kind: 'brake', value: parseBrake(value) };
  if (parseMoveKey(key)) return move;
  return unknown;
}

/** Reads the pairs below `/routing/`. */
export function readRoutingFact({ key, value }: KeyValue): RoutingFact {
  if (key.startsWith(allocationPrefix)) return { kind: 'allocation', value: parsePort(value) };
  if (key.startsWith(portsPrefix)) return { kind: 'port', value };
  if (key.startsWith(routersPrefix)) return { kind: 'router', value: routerFacts(value) };
  if (key === nextPortKey) return { kind: 'nextport', value: parsePort(value) };
  return unknown;
}
