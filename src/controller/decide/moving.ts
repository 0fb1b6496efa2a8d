import { moveKey } from '../../schema/cell-health.ts';
import type { InstanceView, NodeView } from '../view/instance-view.ts';
import { isForgotten, isLost, livesWithout } from './cell-health.ts';
import type { Draft } from './decision.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { cannotRun, inPool } from './placement.ts';

/** Why a node is to be somewhere else. */
export type Move = 'pool' | 'software' | 'forgotten' | 'lost' | 'drain' | 'rebalance';

/**
 * Whether the node is to be replaced by one on another cell, and why. A node on a lost cell only if the instance lives
 * without it: otherwise it may be the last copy. One that was never started holds nothing.
 */
export function whyMoves(pass: Pass, node: SoundNode): Move | undefined {
  const { view, health } = pass;
  const cell = view.herd.cells.get(node.cell);
  const isSafe = !node.observed || livesWithout(view, node, health);
  if (isForgotten(view, node)) return isSafe || cell?.maintenance?.accept_data_loss ? 'forgotten' : undefined;
  // Operators stopped it where it is.
  if (node.isFenced) return undefined;
  if (isLost(view, node)) return isSafe && !view.herd.brake ? 'lost' : undefined;
  if (isOutsidePool(pass, node)) return 'pool';
  if (cell?.registration?.ok && cannotRun(cell.registration.value, pass.spec)) return 'software';
  if (!cell?.registration) return undefined;
  if (cell.maintenance?.mode === 'drain' && !isOver(pass, cell.maintenance.deadline)) return 'drain';
  return wishToMove(view.nodes, node) ? 'rebalance' : undefined;
}

/** Whether anything is to move the node. */
export const moves = (pass: Pass, node: SoundNode): boolean => whyMoves(pass, node) !== undefined;

const wishToMove = (nodes: readonly NodeView[], { id }: SoundNode): NodeView['leaving'] =>
  nodes.find((node) => node.id === id)?.leaving;

/** Removes the wish, which is granted. */
export function removeWish(view: InstanceView, node: SoundNode, draft: Draft): void {
  const wish = wishToMove(view.nodes, node);
  if (wish) draft.remove(moveKey(wish.cell, node.id));
}

/** Each of the nodes with the reason why it is to be elsewhere. */
export const describeMoves = (pass: Pass, nodes: readonly SoundNode[]): string =>
  nodes.map((node) => `${node.id} ${describeMove(pass, node)}`).join(', ');

function describeMove(pass: Pass, node: SoundNode): string {
  switch (whyMoves(pass, node)) {
    case 'pool':
      return 'outside the pool';
    case 'software':
      return `on cell ${node.cell}, which cannot run ${pass.spec.image ?? `PostgreSQL ${pass.spec.version}`}`;
    case 'lost':
      return `on lost cell ${node.cell}`;
    case 'forgotten':
      return `on forgotten cell ${node.cell}`;
    case 'drain':
      return `on draining cell ${node.cell}`;
    default:
      return `leaving crowded cell ${node.cell}`;
  }
}

// Of a cell that is gone only its name is known.
function isOutsidePool({ view, spec }: Pass, node: SoundNode): boolean {
  const registration = view.herd.cells.get(node.cell)?.registration;
  if (registration?.ok) return !inPool(node.cell, registration.value, spec.pool);
  return spec.pool.cells !== undefined && !spec.pool.cells.includes(node.cell);
}

// What was begun is finished: with one node too many, the one on the cell that drained is the one that goes.
function isOver({ view, spec, now, draft }: Pass, deadline: string | undefined): boolean {
  const deadlineMs = Date.parse(deadline ?? '');
  if (Number.isNaN(deadlineMs)) return false;
  const leftMs = deadlineMs - now.getTime();
  if (leftMs > 0) draft.lookAgainIn(leftMs);
  const ordered = view.nodes.filter(({ assignments }) =>
    assignments.some(({ entry: { value } }) => value.ok && value.value.desired !== 'removed'),
  );
  return leftMs <= 0 && ordered.length <= spec.node_count;
}
