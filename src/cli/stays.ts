import { condition } from '../schema/observed-state.ts';
import type { CellView, Herd, NodeView } from './herd.ts';
import { stateOf } from './status.ts';

/** The nodes that a cell still holds, each with why, as sentences. */
export const describeStaying = (herd: Herd, cell: CellView | undefined): readonly string[] =>
  (cell?.nodes ?? []).map((node) => `${node.id}: ${whyItStays(herd, node)}`);

function whyItStays(herd: Herd, node: NodeView): string {
  if (!node.assignment) return `cell ${node.cell} has yet to put its data aside`;
  if (node.assignment.ok && node.assignment.value.desired === 'removed') {
    return `cell ${node.cell} stops it and erases its data`;
  }
  const instance = herd.instances.get(node.instance);
  const state = instance && stateOf(instance);
  if (!state) return 'nothing is known about its instance';
  if (herd.controller === undefined) return 'no controller is running: start one with `pgherd controller`';
  const says = (type: 'Paused' | 'Deleting' | 'Degraded') => condition(state, type)?.status === 'True';
  if (says('Deleting')) return 'its instance is being deleted';
  if (says('Paused')) return 'its instance is paused, so nothing is changed; apply it with `paused: false`';
  for (const type of ['Placed', 'LeaderElected', 'Running'] as const) {
    const found = condition(state, type);
    if (found && found.status !== 'True') return found.message;
  }
  return condition(state, 'Degraded')?.message ?? 'it is next';
}
