import type { CellId, NodeId } from '../../schema/ids.ts';
import type { CellView } from '../view/instance-view.ts';
import { chooseCells, type Need, refusal } from './placement.ts';

/** A node that may be moved, with what rules where to. */
export interface Movable extends Need {
  readonly node: NodeId;
  readonly instance: string;
  readonly cell: CellId;
  /** Cells of the other nodes of its instance. */
  readonly others: readonly CellId[];
}

/** A node on its way from a crowded cell; where to is what the controller would choose at this moment. */
export interface PlannedMove {
  readonly node: NodeId;
  readonly from: CellId;
  readonly to: CellId;
}

/**
 * The moves that even out the cells most, at most `budget` of them, at most one of an instance: from the cell
 * with the most nodes to one that has at least two fewer, as long as there are such.
 */
export function planRebalance(cells: readonly CellView[], nodes: readonly Movable[], budget: number): PlannedMove[] {
  const now = new Map(cells.map((cell) => [cell.id, { ...cell }]));
  const left = new Set(nodes);
  const moves: PlannedMove[] = [];
  while (moves.length < budget) {
    const move = nextMove(now, left);
    if (!move) return moves;
    const [movable, from, to] = move;
    for (const each of nodes) if (each.instance === movable.instance) left.delete(each);
    now.set(from.id, { ...from, nodes: from.nodes - 1, memoryMb: from.memoryMb - movable.memoryMb });
    now.set(to.id, { ...to, nodes: to.nodes + 1, memoryMb: to.memoryMb + movable.memoryMb });
    moves.push({ node: movable.node, from: from.id, to: to.id });
  }
  return moves;
}

function nextMove(
  cells: ReadonlyMap<CellId, CellView>,
  nodes: ReadonlySet<Movable>,
): [movable: Movable, from: CellView, to: CellView] | undefined {
  const crowded = [...cells.values()].sort((one, other) => other.nodes - one.nodes || (one.id < other.id ? -1 : 1));
  for (const from of crowded) {
    if (!from.registration?.ok || from.inMaintenance) continue;
    for (const movable of nodes) {
      if (movable.cell !== from.id) continue;
      const held = movable.others.flatMap((id) => cells.get(id) ?? []);
      const used = new Set([from.id, ...movable.others]);
      const [to] = chooseCells(cells.values(), used, held, movable, 1);
      if (to && !refusal(to, movable) && to.nodes + 2 <= from.nodes) return [movable, from, to];
    }
  }
  return undefined;
}
