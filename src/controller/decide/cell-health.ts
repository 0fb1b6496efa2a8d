import type { CellId } from '../../schema/ids.ts';
import type { CellView, InstanceView } from '../view/instance-view.ts';
import type { Health } from './health.ts';
import { isLive, runs } from './health.ts';
import type { SoundNode } from './nodes.ts';

/** A controller that has just come up, perhaps after a store that was away, waits at least so long before it believes. */
export const leastSeenMs = 60_000;

/** What keeps the cell from being Registered, as a sentence; undefined when nothing does. */
export function illness({ id, registration }: CellView): string | undefined {
  if (!registration) return `the agent of cell ${id} is gone`;
  if (!registration.ok || registration.value.problem === undefined) return undefined;
  return `cell ${id} says: ${registration.value.problem}`;
}

/** Whether the cell was found to be lost, and nothing of it has come back since. */
export const isLostCell = (cell: CellView | undefined): boolean =>
  cell?.health?.value.health === 'Lost' && illness(cell) !== undefined;

/** Whether operators said that the cell is gone for good, and it is not there to prove them wrong. */
export const isForgottenCell = (cell: CellView | undefined): boolean =>
  cell?.maintenance?.mode === 'forget' && !cell.registration;

/** Whether the node's cell is lost and Patroni has not heard of the node either. */
export const isLost = (view: InstanceView, node: SoundNode): boolean =>
  isLostCell(view.herd.cells.get(node.cell)) && !node.member;

/** Whether the node is on a cell that is gone for good. */
export const isForgotten = (view: InstanceView, node: SoundNode): boolean =>
  isForgottenCell(view.herd.cells.get(node.cell));

/** Whether the node is on a cell that cannot be waited for. */
export const isGone = (view: InstanceView, node: SoundNode): boolean => isForgotten(view, node) || isLost(view, node);

/** Whether the instance lives without this node: another one leads, on a cell that is there. */
export function livesWithout(view: InstanceView, node: SoundNode, { leader }: Health): boolean {
  return leader !== undefined && leader.id !== node.id && runs(leader) && isLive(view, leader.cell);
}

/** The zone that the cell is in, or was in last. */
export const lastZone = (cell: CellView): string | undefined =>
  cell.registration?.ok ? cell.registration.value.zone : cell.health?.value.zone;

/** The cell's name with its zone, for a sentence. */
export const nameCell = (id: CellId, zone: string | undefined): string => (zone ? `${id} (zone ${zone})` : id);
