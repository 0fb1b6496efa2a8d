import { assignmentKey } from '../../schema/assignment.ts';
import { backendKey } from '../../schema/placement.ts';
import { fence } from './fence.ts';
import type { Membership } from './findings.ts';
import { leaveFullDisk } from './full-disk.ts';
import { wakeNodes } from './halt.ts';
import { beginMove } from './move.ts';
import { describeMoves, moves } from './moving.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { decideRepair } from './repair.ts';
import { decideRollout, observeRollout } from './rollout.ts';
import { forgetErased, removeWorst, waitingForCell, withdrawUnstarted } from './scale-down.ts';
import { placeNodes } from './scale-up.ts';
import { startOver } from './start-over.ts';

/**
 * Stops the nodes that are fenced, and wakes those that were ordered to stop and are wanted again. Then brings the nodes
 * to number and place, in this order, one step of the last three at a time: begin anew if an operator gave all up; forget the nodes that are erased; withdraw
 * those that were never started and are not wanted; build anew a replica that cannot follow; place what is missing;
 * when a node is to be elsewhere, place one more; remove what is too much, the worst placed first, once the others
 * serve; and roll out what needs a restart. The leader is never removed: it is switched over first, as it is when all else
 * is done and its disk is full.
 */
export function decideMembership(pass: Pass, before: readonly SoundNode[]): Membership {
  repair(pass, before);
  const fenced = fence(pass, before);
  const woken = wakeNodes(pass, fenced.nodes);
  const membership = bringToNumber(pass, woken.nodes);
  const progress = membership.progress ?? observeRollout(pass, membership.nodes);
  return { ...membership, progress, waiting: membership.waiting ?? fenced.waiting ?? woken.waiting };
}

function bringToNumber(pass: Pass, before: readonly SoundNode[]): Membership {
  const anew = startOver(pass, before);
  if (anew) return anew;
  const present = withdrawUnstarted(pass, forgetErased(pass, before));
  const { waiting, remarks, ...repaired } = decideRepair(pass, present);
  if (waiting) return { ...repaired, waiting };
  const membership = decideNumberAndPlace(pass, present);
  const leaving = leaveFullDisk(pass, membership);
  return { ...membership, remarks: leaving ? [...remarks, leaving] : remarks };
}

function decideNumberAndPlace(pass: Pass, nodes: readonly SoundNode[]): Membership {
  const running = nodes.filter((node) => node.desired === 'running');
  const wanted = pass.spec.node_count;
  const missing = wanted - running.length;
  const moving = running.filter((node) => moves(pass, node));
  if (missing < 0) {
    const waiting = waitingForReplacement(pass, running, moving);
    return waiting ? { nodes, waiting } : removeWorst(pass, nodes);
  }
  const first = missing === 0 && moving.length > 0 ? beginMove(pass, running, moving) : undefined;
  if (first?.waiting) return { nodes, waiting: first.waiting };
  const placed = placeNodes(pass, nodes, first ? 1 : missing);
  const after = [...nodes, ...placed.nodes].sort(byId);
  if (placed.shortage) {
    const message = first
      ? `${describeMoves(pass, moving)} cannot be replaced: ${placed.shortage}`
      : `${running.length + placed.nodes.length} of ${wanted} nodes placed: ${placed.shortage}`;
    return { nodes: after, waiting: { reason: 'NoRoom', message } };
  }
  if (first) {
    pass.draft.moves += first.cost;
    return { nodes: after, waiting: waitingForReplacement(pass, [...running, ...placed.nodes], moving) };
  }
  const progress = decideRollout(pass, after);
  return { nodes: after, waiting: waitingForCell(pass.view, nodes), progress };
}

/** What to say while no agent has begun to start the node that replaces one that is to be elsewhere. */
function waitingForReplacement(
  pass: Pass,
  running: readonly SoundNode[],
  moving: readonly SoundNode[],
): Membership['waiting'] {
  if (moving.length === 0) return undefined;
  const replacement = running.find((node) => !node.observed && !moving.includes(node));
  if (!replacement) return undefined;
  const message = `${describeMoves(pass, moving)}: a replacement was placed on ${replacement.cell}`;
  return { reason: 'Moving', message };
}

const byId = (one: SoundNode, other: SoundNode): number => (one.id < other.id ? -1 : 1);

// Backend and assignment are written and removed together: one without the other was lost by somebody else's hand.
function repair({ view, orders, draft }: Pass, nodes: readonly SoundNode[]): void {
  for (const { id, cell, backend, assignment } of nodes) {
    if (backend && assignment) continue;
    if (!backend) draft.create(backendKey(view.id, id), cell);
    if (!assignment) draft.create(assignmentKey(cell, id), JSON.stringify(orders.forNode(id)));
    const lost = backend ? 'assignment' : 'backend key';
    draft.event('Warning', 'KeyRestored', `the ${lost} of node ${id} on cell ${cell} was lost and is written again`);
  }
}
