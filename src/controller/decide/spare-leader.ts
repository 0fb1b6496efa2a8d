import { type Assignment, assignmentKey } from '../../schema/assignment.ts';
import type { Orders } from './assignment.ts';
import type { Draft } from './decision.ts';
import type { Health } from './health.ts';
import type { SoundNode } from './nodes.ts';

/**
 * Takes back the removal of a node that leads: it took over before its agent carried the order out, and what it has
 * written since is on no other. An agent that is at it asks whether the order stands before it stops or erases anything.
 */
export function spareLeader(
  nodes: readonly SoundNode[],
  health: Health,
  orders: Orders,
  draft: Draft,
): { readonly nodes: readonly SoundNode[]; readonly health: Health } {
  const { leader } = health;
  if (leader?.desired !== 'removed') return { nodes, health };
  // As it runs: what it must be restarted for since is rolled out in turn.
  const present = leader.observed?.value.specHash;
  const order: Assignment = { ...orders.forNode(leader.id), ...(present !== undefined && { spec_hash: present }) };
  draft.replace(assignmentKey(leader.cell, leader.id), leader.assignment?.modRevision ?? 0n, JSON.stringify(order));
  draft.event(
    'Warning',
    'RemovalTakenBack',
    `node ${leader.id} on cell ${leader.cell} was to be removed and leads: it stays`,
  );
  const spared: SoundNode = { ...leader, desired: 'running' };
  return { nodes: nodes.map((node) => (node === leader ? spared : node)), health: { ...health, leader: spared } };
}
