import { type Assignment, assignmentKey } from '../../schema/assignment.ts';
import type { Remark } from './findings.ts';
import { guardHealth, serves } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { patienceMs, type Rollout, type RolloutProgress } from './rollout-progress.ts';

const none: RolloutProgress = { rollout: undefined, waiting: undefined, stopped: undefined };

/** Whether Patroni says that a restart of PostgreSQL would change something. */
export const isPending = ({ observed, member }: SoundNode): boolean =>
  observed?.value.pendingRestart === true || member?.pendingRestart === true;

/**
 * Restarts PostgreSQL in place where Patroni waits for it: the leader first, then the replicas, one at a time. A replica
 * starts with no less of max_connections and its like than its leader had, so that a lower value reaches it only once
 * the leader runs with it, which a node that hands over before it restarts never does. Call when all nodes serve as they
 * were ordered. `waitingFor` tells what speaks against a restart now.
 */
export function finishPendingRestarts(
  pass: Pass,
  nodes: readonly SoundNode[],
  before: Rollout | undefined,
  waitingFor: (rollout: Rollout | undefined) => Remark | undefined,
): RolloutProgress {
  const { view, orders, health, draft, now } = pass;
  const { leader } = health;
  for (const node of nodes) {
    if (node.assignment?.value.restartsPending && !isPending(node)) order(pass, node, orders.forNode(node.id));
  }
  const pending = nodes.filter((node) => isPending(node));
  if (pending.length === 0 || !leader || !nodes.every((node) => serves(node, health))) {
    return pending.length === 0 ? none : { ...none, rollout: before };
  }
  const ordered = pending.find((node) => node.assignment?.value.restartsPending);
  if (ordered) return { rollout: before, waiting: restarting(pending), stopped: overdue(pass, ordered, before) };
  const next = pending.find((node) => node === leader) ?? pending[0];
  // Only what its own agent sees, it acts upon; Patroni's key may be older.
  if (!next?.observed?.value.pendingRestart) return { ...none, rollout: before };
  const waiting = waitingFor(before);
  if (waiting) return { rollout: before, waiting, stopped: undefined };
  if (!before) draft.startsRollout = true;
  guardHealth(view, leader, draft);
  order(pass, next, { ...orders.forNode(next.id), restart_pending: true });
  draft.event('Normal', 'PostgresqlRestarting', `PostgreSQL of node ${next.id} restarts in place with new parameters`);
  const rollout = { since: before?.since ?? now.toISOString(), node: next.id, at: now.toISOString() };
  return { rollout, waiting: restarting(pending), stopped: undefined };
}

function order({ draft }: Pass, node: SoundNode, assignment: Assignment): void {
  draft.replace(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n, JSON.stringify(assignment));
}

const restarting = (pending: readonly SoundNode[]): Remark => ({
  reason: 'Restarting',
  message: `PostgreSQL of ${names(pending)} still to restart in place for parameters that it does not run with yet`,
});

function overdue({ now, draft, view }: Pass, { id, cell }: SoundNode, before: Rollout | undefined): Remark | undefined {
  const leftMs = Date.parse(before?.at ?? '') + patienceMs - now.getTime();
  if (leftMs > 0) draft.lookAgainIn(leftMs);
  if (leftMs > 0) return undefined;
  const message = `rollout stopped at ${id} on ${cell}: PostgreSQL still runs with old values of some parameters; see its logs, then \`patronictl restart ${view.id}\`, edit the document, or \`pgherd rollback ${view.id}\``;
  return { reason: 'RolloutStopped', message };
}
