import { type Assignment, assignmentKey } from '../../schema/assignment.ts';
import { backendKey } from '../../schema/placement.ts';
import { restoredKey } from '../../schema/restoration.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Orders } from './assignment.ts';
import type { Draft } from './decision.ts';
import type { Membership } from './findings.ts';
import { type Health, isLive, runs } from './health.ts';
import type { SoundNode } from './nodes.ts';

/**
 * What happens to the nodes of an instance that was put back from a snapshot: each that a cell reports is adopted where
 * it is and as it runs, without a restart; nothing is placed or removed. It ends when as many are there as the instance
 * had and one leads: until then data may be on cells that have not come back yet.
 */
export function adoptNodes(
  view: InstanceView,
  nodes: readonly SoundNode[],
  orders: Orders,
  health: Health,
  isHalted: boolean,
  draft: Draft,
): Membership {
  let adopted = 0;
  for (const { id, backend, assignments, observed } of view.nodes) {
    const [at, second] = observed;
    if (backend || assignments.length > 0 || !at?.entry.value.ok || second) continue;
    // With the hash that it runs with: what it must be restarted for since is rolled out in turn.
    const order: Assignment = {
      ...orders.forNode(id),
      spec_hash: at.entry.value.value.specHash,
      ...(isHalted && { desired: 'stopped' as const }),
    };
    draft.create(backendKey(view.id, id), at.cell);
    draft.create(assignmentKey(at.cell, id), JSON.stringify(order));
    draft.event('Normal', 'NodeAdopted', `node ${id} on cell ${at.cell} is adopted as it is`);
    adopted += 1;
  }
  const expected = view.restored?.value.ok ? view.restored.value.value.nodes : [];
  const isThere = isHalted || (health.leader !== undefined && runs(health.leader));
  const isReadable = view.restored?.value.ok === true;
  if (
    adopted === 0 &&
    view.restored &&
    isReadable &&
    nodes.length >= expected.length &&
    (isThere || expected.length === 0)
  ) {
    draft.delete(restoredKey(view.id), view.restored.modRevision);
    draft.event('Normal', 'Restored', 'the instance is back on its own data');
    return { nodes, waiting: undefined };
  }
  const missing = expected.filter(({ node }) => !view.nodes.some(({ id }) => id === node));
  const where = missing.map(
    ({ node, cell }) => `${node} on ${cell}${isLive(view, cell as never) ? '' : ' (agent gone)'}`,
  );
  const what = !isReadable
    ? 'what it had cannot be read'
    : where.length > 0
      ? `waiting for ${where.join(', ')}`
      : 'waiting for a leader';
  const message = `restored from a snapshot: ${what}; if that is gone for good, go on with \`pgherd snapshot finish\``;
  return { nodes, waiting: { reason: 'Restoring', message } };
}
