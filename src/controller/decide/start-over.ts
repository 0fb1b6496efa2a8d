import { stateKey } from '../../schema/observed-state.ts';
import { leaderKey, scopePrefix } from '../../schema/patroni.ts';
import { prefixRange } from '../../store/store.ts';
import { isForgotten } from './cell-health.ts';
import type { Membership } from './findings.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { dropLost } from './scale-down.ts';

/**
 * Begins anew, empty, when every node was on cells that an operator gave up together with the data on them. Patroni must
 * be made to forget the old cluster, or a new node waits for its leader for ever; that goes in the same transaction as
 * the old nodes, and not before the old leader's lease has ended. Undefined when a node is left elsewhere.
 */
export function startOver(pass: Pass, nodes: readonly SoundNode[]): Membership | undefined {
  const { view, draft } = pass;
  if (nodes.length === 0 || !nodes.every((node) => isGivenUp(pass, node))) return undefined;
  const what = 'every copy of the data was given up by `pgherd forget cell --accept-data-loss`';
  if (view.leader) {
    const message = `${what}; the instance begins anew, empty, once the lease of ${view.leader.value} has ended`;
    return { nodes, waiting: { reason: 'StartingOver', message } };
  }
  for (const node of nodes) dropLost(pass, node);
  draft.guardAbsent(leaderKey(view.id));
  const ours = stateKey(view.id);
  const { start, end } = prefixRange(scopePrefix(view.id));
  draft.deleteRange(start, ours);
  draft.deleteRange(`${ours}\0`, end);
  const message = `${what}: the instance begins anew, empty`;
  draft.event('Warning', 'StartingOver', message);
  return { nodes: [], waiting: { reason: 'StartingOver', message } };
}

const isGivenUp = ({ view }: Pass, node: SoundNode): boolean =>
  isForgotten(view, node) && view.herd.cells.get(node.cell)?.maintenance?.accept_data_loss === true;
