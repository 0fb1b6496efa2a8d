import type { InstanceId } from '../../../schema/ids.ts';
import {
  configKey,
  type FailoverRequest,
  failoverKey,
  initializeKey,
  leaderKey,
  memberKey,
} from '../../../schema/patroni.ts';
import type { Compare, Op } from '../../../store/store.ts';
import { memberDocument, type SimulatedNode } from './simulated-node.ts';

/** What Patroni's keys of one instance say. */
export interface ScopeKeys {
  readonly leader: { readonly name: string; readonly modRevision: bigint } | undefined;
  readonly initialize: string | undefined;
  readonly hasConfig: boolean;
  readonly failover: FailoverRequest | undefined;
  /** Promotions so far, as Patroni lists them. */
  readonly history: readonly unknown[];
  /** Roles and states by member. */
  readonly members: ReadonlyMap<string, { readonly role: string; readonly state: string }>;
}

/** One instance, as its hollow nodes in this process see it. */
export interface ScopeView {
  readonly instance: InstanceId;
  readonly keys: ScopeKeys;
  /** The running nodes of this process. */
  readonly nodes: readonly SimulatedNode[];
  readonly leaseId: bigint;
  readonly walPosition: number;
  /** ISO 8601. */
  readonly now: string;
  readonly random: () => number;
}

/** The next transaction of an instance's hollow nodes, and what they are once it succeeded. */
export interface ScopeStep {
  readonly if: readonly Compare[];
  readonly then: readonly Op[];
  readonly roles: ReadonlyMap<SimulatedNode, 'master' | 'replica'>;
}

/**
 * What the Patroni of all running nodes of one instance in this process do next; undefined when all is as it should be.
 * Nodes in other processes do the same, and meet in the store: who creates the leader key leads.
 */
export function decideScope(view: ScopeView): ScopeStep | undefined {
  const { keys, nodes } = view;
  if (nodes.length === 0) return undefined;
  if (!keys.leader) return keys.initialize === undefined ? bootstrap(view) : promote(view);
  const leader = nodes.find(({ node }) => node === keys.leader?.name);
  return (leader && demote(view, leader, keys.leader.modRevision)) ?? follow(view, leader);
}

function bootstrap(view: ScopeView): ScopeStep | undefined {
  const { instance, keys, random } = view;
  const node = pick(view.nodes, random);
  if (!node) return undefined;
  const systemId = `7${String(Math.floor(random() * 1e15)).padStart(18, '0')}`;
  const config: Op = { type: 'put', key: configKey(instance), value: JSON.stringify(node.configuration) };
  return {
    if: [
      isAbsent(leaderKey(instance)),
      isAbsent(initializeKey(instance)),
      ...(keys.hasConfig ? [] : [isAbsent(configKey(instance))]),
    ],
    then: [
      { type: 'put', key: initializeKey(instance), value: systemId },
      ...(keys.hasConfig ? [] : [config]),
      ...lead(view, node, 1),
    ],
    roles: new Map([[node, 'master']]),
  };
}

function promote(view: ScopeView): ScopeStep | undefined {
  const { instance, keys, nodes, now, walPosition, random } = view;
  const wanted = keys.failover?.member;
  // A member elsewhere was asked to lead: it will.
  const isElsewhere = wanted !== undefined && !nodes.some(({ node }) => node === wanted);
  if (isElsewhere && keys.members.get(wanted)?.state === 'running') return undefined;
  const candidates = nodes.filter(({ hasData }) => hasData);
  const node = candidates.find((each) => each.node === wanted) ?? pick(candidates, random);
  if (!node) return undefined;
  const timeline = keys.history.length + 2;
  const history = [...keys.history, [timeline - 1, walPosition, 'no recovery target specified', now, node.node]];
  return {
    if: [isAbsent(leaderKey(instance))],
    then: [
      ...lead(view, node, timeline),
      { type: 'put', key: `/service/${instance}/history`, value: JSON.stringify(history) },
      ...(keys.failover ? [{ type: 'put', key: failoverKey(instance), value: '{}' } as const] : []),
    ],
    roles: new Map([[node, 'master']]),
  };
}

/** The leader steps down when it is asked to, and somebody can take over. */
function demote(view: ScopeView, leader: SimulatedNode, modRevision: bigint): ScopeStep | undefined {
  const { instance, keys } = view;
  const request = keys.failover;
  if (!request || request.scheduled_at !== undefined) return undefined;
  if ((request.leader ?? leader.node) !== leader.node) return undefined;
  const canLead = (name: string) => name !== leader.node && keys.members.get(name)?.state === 'running';
  if (!(request.member ? canLead(request.member) : [...keys.members.keys()].some(canLead))) return undefined;
  const key = leaderKey(instance);
  return {
    if: [{ key, target: 'mod', op: '=', value: modRevision }],
    then: [{ type: 'delete', key }, member(view, leader, 'replica')],
    roles: new Map([[leader, 'replica']]),
  };
}

/** Members say what they are: the leader that it leads, the others that they follow. */
function follow(view: ScopeView, leader: SimulatedNode | undefined): ScopeStep | undefined {
  const roles = new Map<SimulatedNode, 'master' | 'replica'>();
  for (const node of view.nodes) {
    const role = node === leader ? 'master' : 'replica';
    const said = view.keys.members.get(node.node);
    if (said?.role !== role || said.state !== 'running' || node.role !== role) roles.set(node, role);
  }
  if (roles.size === 0) return undefined;
  return { if: [], then: [...roles].map(([node, role]) => member(view, node, role)), roles };
}

function lead(view: ScopeView, node: SimulatedNode, timeline: number): Op[] {
  const { instance, leaseId, walPosition } = view;
  return [
    { type: 'put', key: leaderKey(instance), value: node.node, leaseId },
    member(view, node, 'master', timeline),
    { type: 'put', key: `/service/${instance}/status`, value: JSON.stringify({ optime: walPosition }) },
  ];
}

function member(
  { instance, keys, leaseId, walPosition }: ScopeView,
  node: SimulatedNode,
  role: 'master' | 'replica',
  timeline = keys.history.length + 1,
): Op {
  const value = memberDocument({ ports: node.ports, role }, 'running', timeline, walPosition);
  return { type: 'put', key: memberKey(instance, node.node), value, leaseId };
}

const isAbsent = (key: string): Compare => ({ key, target: 'create', op: '=', value: 0n });

const pick = <T>(from: readonly T[], random: () => number): T | undefined => from[Math.floor(random() * from.length)];
