import { type Assignment, parseAssignment } from '../../schema/assignment.ts';
import type { NodeId } from '../../schema/ids.ts';
import { instanceOfNode } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { type NodeState, parseObservedNode } from '../../schema/observed-node.ts';
import { type Condition, type ObservedState, parseObservedState } from '../../schema/observed-state.ts';
import { bad, good, type Parsed } from '../../schema/parsed.ts';
import { isPrimaryRole, parseMember } from '../../schema/patroni.ts';
import { type PortRange, parsePortRange, parseRouter } from '../../schema/routing.ts';
import { digest } from './digest.ts';

/** What decisions need of an assignment; the digest stands for all of it but the node's name. */
export interface AssignmentFacts {
  readonly desired: 'running' | 'stopped' | 'removed';
  readonly memoryMb: number;
  readonly cpus: number;
  readonly specHash: string;
  readonly restartsPending: boolean;
  readonly digest: string;
}

/** What decisions need of an observed node. */
export interface ObservedFacts {
  readonly state: NodeState;
  readonly specHash: string;
  readonly ports: Readonly<Record<string, string>>;
  readonly lastError: string | undefined;
  /** Sorted, from the leader's node only. */
  readonly streaming: readonly NodeId[] | undefined;
  /** From the leader's node only: connected, and behind. */
  readonly catchingUp: readonly NodeId[] | undefined;
  readonly pendingRestart: boolean;
  readonly postgresqlVersion: string | undefined;
}

/** What decisions need of Patroni's member key: none of what a heartbeat changes. */
export interface MemberFacts {
  readonly state: string;
  readonly primary: boolean;
  readonly pendingRestart: boolean;
}

/** What decisions need of the state they wrote before; the digest stands for its whole text. */
export interface StateFacts {
  readonly digest: string;
  readonly uid: string;
  readonly createdAt: string | undefined;
  readonly postgresqlVersion: string | undefined;
  readonly observedGeneration: string;
  readonly accepted: InstanceSpec | undefined;
  readonly deleting: boolean;
  readonly deleted: ObservedState['deleted'];
  readonly deletionHeld: boolean;
  readonly ledLast: string | undefined;
  readonly rolledOut: InstanceSpec | undefined;
  readonly rollout: ObservedState['rollout'];
  readonly allocatedPort: number | undefined;
  readonly leader: string | undefined;
  readonly unwell: readonly { readonly node: NodeId; readonly since: string }[];
  readonly repairs: readonly string[];
  readonly conditions: readonly Condition[];
  readonly lastOperation: ObservedState['last_operation'];
}

/** What decisions need of a router. */
export interface RouterFacts {
  readonly address: string;
  readonly appliedRevision: bigint;
  readonly refusedPorts: readonly number[];
  readonly ports: PortRange | undefined;
  /** Where it serves /metrics, host:port. */
  readonly metrics: string | undefined;
}

/** Reads `/cells/assignments/<cell>/<node>`. */
export function assignmentFacts(text: string, node: NodeId): Parsed<AssignmentFacts> {
  const parsed = parseAssignment(text);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  if (value.node !== node || value.instance !== instanceOfNode(node)) return bad('it names another node than its key');
  return good({
    desired: value.desired,
    memoryMb: value.resources.memory_mb,
    cpus: value.resources.cpus,
    specHash: value.spec_hash,
    restartsPending: value.restart_pending ?? false,
    digest: orderDigest(value),
  });
}

/** Equal for assignments that order the same, whatever node they are for, and whether or not it is to restart once more. */
export const orderDigest = (assignment: Assignment): string =>
  digest(JSON.stringify({ ...assignment, node: undefined, restart_pending: undefined }));

/** Reads `/cells/observed/<cell>/<node>`. */
export function observedFacts(text: string, node: NodeId): Parsed<ObservedFacts> {
  const parsed = parseObservedNode(text);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  if (value.node !== node || value.instance !== instanceOfNode(node)) return bad('it names another node than its key');
  return good({
    state: value.state,
    specHash: value.spec_hash,
    ports: value.ports,
    lastError: value.last_error,
    streaming: value.streaming,
    catchingUp: value.catching_up,
    pendingRestart: value.pending_restart ?? false,
    postgresqlVersion: value.postgresql_version,
  });
}

/** Reads `/service/<id>/members/<node>`. */
export const memberFacts = (text: string): Parsed<MemberFacts> => readMember(text).value;

/** Reads a member key together with the WAL position in it, which every heartbeat moves and no decision depends on. */
export function readMember(text: string): { readonly value: Parsed<MemberFacts>; readonly position?: number } {
  const parsed = parseMember(text);
  if (!parsed.ok) return { value: parsed };
  const { state, role, pending_restart, xlog_location } = parsed.value;
  const value = good({ state, primary: isPrimaryRole(role), pendingRestart: pending_restart ?? false });
  return xlog_location === undefined ? { value } : { value, position: xlog_location };
}

/** Reads `/service/<id>/state`. */
export function stateFacts(text: string): Parsed<StateFacts> {
  const parsed = parseObservedState(text);
  if (!parsed.ok) return parsed;
  const { value } = parsed;
  return good({
    digest: digest(text),
    uid: value.uid,
    createdAt: value.created_at,
    postgresqlVersion: value.postgresql_version,
    observedGeneration: value.observed_generation,
    accepted: value.accepted,
    deleting: value.deleting ?? false,
    deleted: value.deleted,
    deletionHeld: value.deletion_held ?? false,
    ledLast: value.led_last,
    rolledOut: value.rolled_out,
    rollout: value.rollout,
    allocatedPort: value.allocated_port,
    leader: value.leader,
    unwell: value.unwell ?? [],
    repairs: value.repairs ?? [],
    conditions: value.conditions,
    lastOperation: value.last_operation,
  });
}

/** Reads `/routing/routers/<router>`. */
export function routerFacts(text: string): Parsed<RouterFacts> {
  const parsed = parseRouter(text);
  if (!parsed.ok) return parsed;
  const { address, applied_revision, refused_ports, ports, metrics } = parsed.value;
  const range = parsePortRange(ports);
  return good({
    address,
    appliedRevision: BigInt(applied_revision),
    refusedPorts: refused_ports,
    ports: range.ok ? range.value : undefined,
    metrics,
  });
}
