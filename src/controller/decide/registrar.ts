import { type BindingName, bindingKey } from '../../schema/binding.ts';
import { observedKey } from '../../schema/observed-node.ts';
import type { ObservedFacts } from '../view/facts.ts';
import type { CellView, OnCell, Versioned } from '../view/instance-view.ts';
import { type Decision, Draft } from './decision.ts';

/** One registrar key as it is. */
export interface BindingView {
  readonly name: BindingName;
  readonly entry: Versioned<string>;
  /** Whether it goes by itself when its agent does. */
  readonly onLease: boolean;
}

/** What is known about the registrar keys of one node. */
export interface NodeBindings {
  readonly bindings: readonly BindingView[];
  readonly observed: readonly OnCell<ObservedFacts>[];
  /** The cells whose registration carries this host name. */
  cellsNamed(hostname: string): readonly CellView[];
}

/**
 * Removes registrar keys that lie: those of nodes that do not run on the cell they name, or not with these ports. A port
 * is used again by other databases, so a stale key would lead to somebody else's data. What an agent that is gone had
 * registered on its lease is left to the lease; what a cell reports but nobody can read is left alone.
 */
export function decideBindings(node: NodeBindings): Decision {
  const draft = new Draft();
  for (const { name, entry, onLease } of node.bindings) {
    const key = bindingKey(name.image, name.hostname, name.node, name.port);
    const cells = node.cellsNamed(name.hostname);
    const observed = node.observed.filter((at) => cells.some((cell) => cell.id === at.cell));
    if (observed.some((at) => !at.entry.value.ok || at.entry.value.value.ports[name.port] === entry.value)) continue;
    if (cells.length === 0 && onLease) continue;
    draft.delete(key, entry.modRevision);
    // The observation may have changed together with the binding and be on its way here.
    for (const cell of cells) {
      const at = observed.find((each) => each.cell === cell.id);
      draft.guard(observedKey(cell.id, name.node), at?.entry.modRevision ?? 0n);
    }
  }
  return draft.finish();
}
