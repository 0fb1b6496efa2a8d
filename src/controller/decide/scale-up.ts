import { assignmentKey } from '../../schema/assignment.ts';
import { type CellId, newNodeId } from '../../schema/ids.ts';
import { backendKey } from '../../schema/placement.ts';
import type { CellView, NodeView } from '../view/instance-view.ts';
import { moves } from './moving.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { chooseCells, explainShortage } from './placement.ts';

/** Gives `count` new nodes a name and a cell each, and says why if there is no room for all. */
export function placeNodes(
  pass: Pass,
  nodes: readonly SoundNode[],
  count: number,
): { readonly nodes: readonly SoundNode[]; readonly shortage: string | undefined } {
  if (count === 0) return { nodes: [], shortage: undefined };
  const { view, spec, plan, draft } = pass;
  const { cells } = view.herd;
  const { pool, version, image } = spec;
  const need = { pool, version, image, memoryMb: plan.memory_mb };
  // A cell that any key of the instance speaks of may hold its data, also of a node that is being erased.
  const used = new Set<CellId>([...nodes.map(({ cell }) => cell), ...view.nodes.flatMap(cellsOf)]);
  const staying = nodes.filter((node) => node.desired === 'running' && !moves(pass, node));
  const held = staying.map(({ cell }) => cells.get(cell)).filter((cell) => cell !== undefined);
  const chosen = chooseCells(cells.values(), used, held, need, count);
  if (chosen.length < count) draft.waitsForRoom = true;
  const placed = chosen.map((cell) => placeOn(pass, cell));
  const where = placed.map(({ id, cell }) => `${id} on ${cell}`).join(', ');
  if (placed.length > 0) draft.event('Normal', 'NodesPlaced', `new nodes: ${where}`);
  return {
    nodes: placed,
    shortage:
      chosen.length < count
        ? explainShortage(cells.values(), new Set([...used, ...chosen.map(({ id }) => id)]), need)
        : undefined,
  };
}

const cellsOf = (node: NodeView): CellId[] => [...node.assignments, ...node.observed].map(({ cell }) => cell);

function placeOn({ view, plan, orders, draft, random }: Pass, { id: cell }: CellView): SoundNode {
  const id = newNodeId(view.id, () => random(2 ** 32) / 2 ** 32);
  draft.create(backendKey(view.id, id), cell);
  draft.create(assignmentKey(cell, id), JSON.stringify(orders.forNode(id)));
  draft.place({ node: id, cell, memoryMb: plan.memory_mb });
  return { id, cell, desired: 'running' };
}
