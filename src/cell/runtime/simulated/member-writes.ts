import type { InstanceId } from '../../../schema/ids.ts';
import { leaderKey, memberKey } from '../../../schema/patroni.ts';
import type { Compare, Op } from '../../../store/store.ts';
import type { Write } from '../../group-commit.ts';
import type { Scopes } from './scopes.ts';
import { memberDocument, type SimulatedNode } from './simulated-node.ts';

type Scope = ReturnType<Scopes['get']>;

const unchanged = (key: string, modRevision: bigint): Compare => ({
  key,
  target: 'mod',
  op: '=',
  value: modRevision,
});

/** Running members of one instance write where their WAL is, if they are still members. */
export function heartbeat(nodes: readonly SimulatedNode[], scope: Scope, leaseId: bigint, walPosition: number): Write {
  const timeline = scope.history.length + 1;
  const members = nodes.filter(({ node, role }) => role !== 'uninitialized' && scope.members.get(node)?.role === role);
  const then = members.map((node): Op => {
    const value = memberDocument(node, 'running', timeline, walPosition);
    return { type: 'put', key: memberKey(node.instance, node.node), value, leaseId };
  });
  const leader = members.find(({ node, role }) => role === 'master' && scope.leader?.name === node);
  if (leader)
    then.push({ type: 'put', key: statusKey(leader.instance), value: JSON.stringify({ optime: walPosition }) });
  return { if: [], then };
}

/** A member is stopped in order. A leader without followers keeps its key until that expires, as Patroni does. */
export function leave(node: SimulatedNode, scope: Scope, leaseId: bigint): Write[] {
  const { instance } = node;
  const value = memberDocument(node, 'stopped', 0, 0);
  const writes: Write[] = [{ if: [], then: [{ type: 'put', key: memberKey(instance, node.node), value, leaseId }] }];
  const isFollowed = [...scope.members].some(([name, { state }]) => name !== node.node && state === 'running');
  if (scope.leader?.name === node.node && isFollowed) {
    const key = leaderKey(instance);
    writes.push({ if: [unchanged(key, scope.leader.modRevision)], then: [{ type: 'delete', key }] });
  }
  return writes;
}

/** What of a dead member's keys has not changed since it died goes, each for itself. */
export function takeAway(node: SimulatedNode, scope: Scope, leaderRevision: bigint | undefined): Write[] {
  const { instance } = node;
  const writes: Write[] = [];
  const leader = leaderKey(instance);
  if (leaderRevision !== undefined && scope.leader?.modRevision === leaderRevision) {
    writes.push({ if: [unchanged(leader, leaderRevision)], then: [{ type: 'delete', key: leader }] });
  }
  const member = memberKey(instance, node.node);
  const said = scope.members.get(node.node);
  if (said) writes.push({ if: [unchanged(member, said.modRevision)], then: [{ type: 'delete', key: member }] });
  return writes;
}

const statusKey = (instance: InstanceId): string => `/service/${instance}/status`;
