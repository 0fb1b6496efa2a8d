import { observedKey } from '../../schema/observed-node.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { isForgottenCell } from './cell-health.ts';
import type { Draft } from './decision.ts';

/**
 * Removes what cells that are gone for good had last reported of nodes that are not to run there any more. Everything
 * that waits for a cell to erase its data waits for these keys.
 */
export function forgetReports(view: InstanceView, draft: Draft): void {
  for (const { id, assignments, observed } of view.nodes) {
    const isWanted = assignments.some(({ entry: { value } }) => !value.ok || value.value.desired !== 'removed');
    if (isWanted) continue;
    for (const { cell, entry } of observed) {
      if (isForgottenCell(view.herd.cells.get(cell))) draft.delete(observedKey(cell, id), entry.modRevision);
    }
  }
}
