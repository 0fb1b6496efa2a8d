import { assignmentKey } from '../../schema/assignment.ts';
import { deletionKey } from '../../schema/deletion.ts';
import { belowDesiredStatePrefix } from '../../schema/desired-state.ts';
import { observedKey } from '../../schema/observed-node.ts';
import { stateKey } from '../../schema/observed-state.ts';
import { scopePrefix } from '../../schema/patroni.ts';
import type { Quarantine } from '../../schema/quarantine.ts';
import { allocationKey, portKey } from '../../schema/routing.ts';
import { prefixRange } from '../../store/store.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Admission } from './admission.ts';
import { removedAssignment } from './assignment.ts';
import type { Draft } from './decision.ts';
import { removeWish } from './moving.ts';
import type { SoundNode } from './nodes.ts';

/**
 * Deletes an instance: first every node is ordered to stop and erase its data; when no cell reports one any more, one
 * transaction removes every key but the document. Patroni writes its keys again for as long as a member runs, so none
 * goes before. Returns the nodes as they are afterwards, undefined once the instance is gone.
 */
export function decideDeletion(
  view: InstanceView,
  nodes: readonly SoundNode[],
  { deleted, spec }: Admission,
  now: Date,
  draft: Draft,
): readonly SoundNode[] | undefined {
  if (view.nodes.every((node) => node.observed.length === 0)) {
    removeEverything(view, nodes, spec?.adopted === true, draft);
    if (view.credentials || spec?.adopted) quarantinePorts(view, now, deleted?.confirmed === true, draft);
    return undefined;
  }
  return nodes.map((node) => orderRemoval(view, node, draft));
}

/** Orders a node to stop and to erase its data. */
export function orderRemoval(view: InstanceView, node: SoundNode, draft: Draft): SoundNode {
  if (node.desired === 'removed') return node;
  const order = removedAssignment(view.id, view.herd.settings.image, node);
  draft.replace(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n, JSON.stringify(order));
  removeWish(view, node, draft);
  return { ...node, desired: 'removed', isHalted: false };
}

// Without credentials nothing of the instance was ever placed: what Patroni keeps under its name is somebody else's.
function removeEverything(view: InstanceView, nodes: readonly SoundNode[], isAdopted: boolean, draft: Draft): void {
  for (const node of nodes) {
    // An agent that starts the node at this moment writes its observed key: exactly one of the two transactions wins.
    draft.guardAbsent(observedKey(node.cell, node.id));
    if (node.assignment) draft.delete(assignmentKey(node.cell, node.id), node.assignment.modRevision);
  }
  draft.event('Normal', 'Deleted', 'every key of the instance is removed');
  const stateRevision = view.state?.modRevision ?? 0n;
  if (!view.credentials || isAdopted) {
    draft.delete(stateKey(view.id), stateRevision);
    if (isAdopted && view.allocation) draft.delete(allocationKey(view.id), view.allocation.modRevision);
    if (view.deletion) draft.delete(deletionKey(view.id), view.deletion.modRevision);
    return;
  }
  draft.guard(stateKey(view.id), stateRevision);
  for (const prefix of [belowDesiredStatePrefix(view.id), scopePrefix(view.id)]) {
    const { start, end } = prefixRange(prefix);
    draft.deleteRange(start, end);
  }
  if (view.allocation) draft.delete(allocationKey(view.id), view.allocation.modRevision);
}

// Clients may know the port for longer than the instance lived.
function quarantinePorts(view: InstanceView, now: Date, confirmed: boolean, draft: Draft): void {
  const quarantine: Quarantine = {
    quarantined: view.id,
    released: now.toISOString(),
    until: new Date(now.getTime() + view.herd.settings.portQuarantineMs).toISOString(),
    ...(confirmed && { confirmed }),
  };
  for (const port of view.heldPorts) {
    draft.compare({ key: portKey(port), target: 'value', op: '=', value: view.id });
    if (view.herd.settings.portQuarantineMs > 0) draft.put(portKey(port), JSON.stringify(quarantine));
    else draft.remove(portKey(port));
  }
}
