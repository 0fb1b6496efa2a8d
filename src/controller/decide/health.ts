import type { CellId, NodeId } from '../../schema/ids.ts';
import { observedKey } from '../../schema/observed-node.ts';
import { leaderKey } from '../../schema/patroni.ts';
import type { CellView, InstanceView } from '../view/instance-view.ts';
import type { Draft } from './decision.ts';
import type { SoundNode } from './nodes.ts';

/** What is known about who leads and who follows. */
export interface Health {
  /** The node that the leader key names, if it is one of ours. */
  readonly leader: SoundNode | undefined;
  /** The members that stream from the leader; undefined when it is not known now. */
  readonly streaming: ReadonlySet<NodeId> | undefined;
  /** The members that are connected to the leader and behind. */
  readonly catchingUp: ReadonlySet<NodeId>;
  /** Another member that claims to lead although the leader key was written before it was heard of. */
  readonly pretender: NodeId | undefined;
}

/** Only the leader knows who streams, and only a cell that is there says what its nodes know now. */
export function readHealth(view: InstanceView, nodes: readonly SoundNode[]): Health {
  const key = view.leader;
  const leader = key && nodes.find((node) => node.id === key.value);
  const heard = leader && runs(leader) && isLive(view, leader.cell);
  return {
    leader,
    streaming: heard ? new Set(leader.observed?.value.streaming) : undefined,
    catchingUp: new Set(heard ? leader.observed?.value.catchingUp : undefined),
    pretender: key && findPretender(view, key.value, key.modRevision),
  };
}

function findPretender(view: InstanceView, leader: string, since: bigint): NodeId | undefined {
  for (const { id, member } of view.nodes) {
    if (id === leader || !member?.value.ok || member.modRevision < since) continue;
    if (member.value.value.primary && memberRuns(member.value.value.state)) return id;
  }
  return undefined;
}

/** Lets the transaction fail if somebody else leads by then, or if the leader says otherwise about who streams. */
export function guardHealth(view: InstanceView, leader: SoundNode, draft: Draft): void {
  draft.guard(leaderKey(view.id), view.leader?.modRevision ?? 0n);
  draft.guard(observedKey(leader.cell, leader.id), leader.observed?.modRevision ?? 0n);
}

/** Whether Patroni and PostgreSQL of this node run: the agent says so, and Patroni's own lease on its key lives. */
export const runs = (node: SoundNode): boolean =>
  node.observed?.value.state === 'running' && node.member !== undefined && memberRuns(node.member.state);

/** `streaming` is what newer Patroni calls a running replica that streams. */
export const memberRuns = (state: string): boolean => state === 'running' || state === 'streaming';

/** Whether the node does its duty: it leads, or it streams from the leader. */
export function serves(node: SoundNode, health: Health): boolean {
  return runs(node) && (node.id === health.leader?.id || (health.streaming?.has(node.id) ?? false));
}

/** Whether the cell's agent is there. */
export const isLive = (view: InstanceView, cell: CellId): boolean => isRegistered(view.herd.cells.get(cell));

export const isRegistered = (cell: CellView | undefined): boolean => cell?.registration?.ok === true;
