import { type Assignment, assignmentKey } from '../../schema/assignment.ts';
import { credentialsKey } from '../../schema/credentials.ts';
import type { NodeId } from '../../schema/ids.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Draft } from './decision.ts';
import type { Remark } from './findings.ts';
import { type Health, isLive, runs } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';

/**
 * Stops all nodes and keeps their data: the replicas first, and the leader once they have stopped, so that nobody takes
 * over and one node has everything. `wakeNodes` starts that one first. Returns the nodes as they are afterwards.
 */
export function haltNodes(
  view: InstanceView,
  nodes: readonly SoundNode[],
  health: Health,
  draft: Draft,
): readonly SoundNode[] {
  const wanted = nodes.filter((node) => node.desired === 'running');
  const replicas = wanted.filter((node) => node !== health.leader);
  const areStopped = replicas.every((node) => node.isHalted && (hasStopped(node) || !isLive(view, node.cell)));
  return nodes.map((node) => {
    if (node.desired !== 'running' || node.isHalted || (node === health.leader && !areStopped)) return node;
    return haltNode(view, node, draft);
  });
}

/** Orders a node to stop and to keep its data. */
export function haltNode(view: InstanceView, node: SoundNode, draft: Draft): SoundNode {
  const facts = node.assignment?.value;
  const order: Assignment = {
    instance: view.id,
    node: node.id,
    desired: 'stopped',
    image: view.herd.settings.image,
    resources: { memory_mb: facts?.memoryMb ?? 0, cpus: facts?.cpus ?? 0 },
    dynamic_configuration: {},
    credentials: credentialsKey(view.id),
    spec_hash: facts?.specHash ?? '',
  };
  draft.replace(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n, JSON.stringify(order));
  return { ...node, isHalted: true };
}

/** Whether nothing of the node runs any more, as far as its cell says. */
export const hasStopped = ({ observed }: SoundNode): boolean =>
  observed === undefined || observed.value.state === 'stopped' || observed.value.state === 'failed';

/** The node that has all the data of an instance whose nodes are stopped: who leads now, or who did last. */
export function ledLast(view: InstanceView, nodes: readonly SoundNode[]): NodeId | undefined {
  const state = view.state?.value.ok ? view.state.value.value : undefined;
  const isOurs = (id: string | undefined) => nodes.find((node) => node.id === id)?.id;
  return isOurs(view.leader?.value) ?? isOurs(state?.ledLast) ?? isOurs(state?.leader);
}

/**
 * Starts the nodes that were ordered to stop and are wanted again: first the one that led last, because the others may
 * lack what it wrote after they had stopped; the rest once it leads. If it cannot start, the others do without it, as
 * after any crash. Returns the nodes as they are afterwards, and what the rest waits for.
 */
export function wakeNodes(
  { view, orders, health, draft }: Pass,
  nodes: readonly SoundNode[],
): { readonly nodes: readonly SoundNode[]; readonly waiting: Remark | undefined } {
  const halted = nodes.filter((node) => node.desired === 'running' && node.isHalted && !node.isFenced);
  if (halted.length === 0) return { nodes, waiting: undefined };
  const first = nodes.find((node) => node.id === ledLast(view, nodes) && !node.isFenced);
  const leads = health.leader !== undefined && runs(health.leader);
  const waitsForFirst = first?.observed && !leads && (first.isHalted || first.observed.value.state !== 'failed');
  const due = waitsForFirst ? halted.filter((node) => node === first) : halted;
  for (const node of due) {
    // One that has not stopped yet runs on as it is: what it must be restarted for is rolled out in turn.
    const present = hasStopped(node) ? undefined : node.assignment?.value.specHash;
    const order: Assignment = { ...orders.forNode(node.id), ...(present !== undefined && { spec_hash: present }) };
    draft.replace(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n, JSON.stringify(order));
  }
  if (due.length > 0) draft.event('Normal', 'NodesWaking', `${names(due)} start again on the data that they have`);
  const after = nodes.map((node) => (due.includes(node) ? { ...node, isHalted: false } : node));
  if (!waitsForFirst) return { nodes: after, waiting: undefined };
  const rest = halted.filter((node) => node !== first);
  if (rest.length === 0) return { nodes: after, waiting: undefined };
  const agent = isLive(view, first.cell) ? '' : `: start the agent of cell ${first.cell}`;
  const message = `${names(rest)} start once ${first.id} leads, which led last and so has all the data${agent}`;
  return { nodes: after, waiting: { reason: 'Waking', message } };
}
