import { assignmentKey } from '../../schema/assignment.ts';
import { guardHealth, type Health, runs, serves } from './health.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { switchOver } from './switchover.ts';

/**
 * Brings assignments that are not what the spec in force wants up to date. What needs no restart goes to all at once.
 * What does goes to one running node at a time, while all others serve with what they were last ordered, the leader last
 * and after a switchover. A node that does not run is not spared; one that bootstraps the instance is.
 */
export function decideRollout(pass: Pass, running: readonly SoundNode[]): void {
  const { view, orders, health, draft } = pass;
  const leaderLast = running.toSorted((one, other) => Number(one === health.leader) - Number(other === health.leader));
  let oneRestarts = false;
  for (const node of leaderLast) {
    if (!node.assignment || node.isHalted || node.assignment.value.desired !== 'running') continue;
    if (node.assignment.value.digest === orders.digest) continue;
    if (node.observed && node.assignment.value.specHash !== orders.specHash) {
      if (view.initialize?.value === '' && node.observed.value.state !== 'failed') continue;
      if (runs(node)) {
        const others = running.filter((other) => other !== node && !other.isFenced);
        if (oneRestarts || !health.leader || !others.every((other) => isSettled(other, health))) continue;
        if (node === health.leader && others.length > 0) {
          switchOver(pass, node, others);
          continue;
        }
        oneRestarts = true;
        guardHealth(view, health.leader, draft);
      }
      draft.event('Normal', 'NodeRestarting', `node ${node.id} restarts with its new configuration`);
    }
    draft.replace(
      assignmentKey(node.cell, node.id),
      node.assignment.modRevision,
      JSON.stringify(orders.forNode(node.id)),
    );
  }
}

// It serves, and with what it was last ordered.
const isSettled = (node: SoundNode, health: Health): boolean =>
  serves(node, health) && node.observed?.value.specHash === node.assignment?.value.specHash;
