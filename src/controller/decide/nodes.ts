import { type CellId, instanceOfNode, type NodeId, parseCellId } from '../../schema/ids.ts';
import type { AssignmentFacts, MemberFacts, ObservedFacts } from '../view/facts.ts';
import type { InstanceView, NodeView, OnCell, Versioned } from '../view/instance-view.ts';
import type { Remark } from './findings.ts';

/** A node whose keys agree: decisions are about these. */
export interface SoundNode {
  readonly id: NodeId;
  readonly cell: CellId;
  /** Whether it is a node of the instance, or one that is on its way out. */
  readonly desired: 'running' | 'removed';
  /** It was ordered to stop and to keep its data. */
  readonly isHalted?: boolean;
  /** An operator wants it stopped. */
  readonly isFenced?: boolean;
  readonly backend?: Versioned<string> | undefined;
  readonly assignment?: Versioned<AssignmentFacts> | undefined;
  /** Undefined: the agent never began to start it, or has erased it. */
  readonly observed?: Versioned<ObservedFacts> | undefined;
  readonly member?: MemberFacts | undefined;
}

/** Their names, for a sentence. */
export const names = (nodes: readonly SoundNode[]): string => nodes.map(({ id }) => id).join(', ');

/**
 * The instance's nodes, each from its own keys, and what is wrong with those that make no sense. One of `backend` and
 * assignment may be missing: they are written together, so the other one says what was there, and it is written again.
 */
export function readNodes(view: InstanceView): {
  readonly nodes: readonly SoundNode[];
  readonly problems: readonly Remark[];
} {
  const nodes: SoundNode[] = [];
  const problems: Remark[] = [];
  for (const node of view.nodes) {
    if (isLeftover(node)) continue;
    const read = readNode(view, node);
    if ('reason' in read) problems.push(read);
    else nodes.push(read);
    if (node.member && !node.member.value.ok) {
      problems.push({
        reason: 'MemberUnreadable',
        message: `member key of node ${node.id} cannot be read (${node.member.value.problem}); restart the node's Patroni or correct the key`,
      });
    }
  }
  return { nodes, problems };
}

// Observed, but neither assigned nor in the instance: its agent stops it and keeps the data. Nothing to decide here.
const isLeftover = (node: NodeView): boolean => !node.backend && node.assignments.length === 0;

function readNode(view: InstanceView, node: NodeView): SoundNode | Remark {
  const { id, backend } = node;
  if (instanceOfNode(id) !== view.id) {
    return problem('NodeUnknown', `${id} is not the name of a node of this instance; delete its backend key`);
  }
  const [assigned, second] = node.assignments;
  if (assigned && second) {
    return problem(
      'NodeAssignedTwice',
      `node ${id} is assigned to the cells ${assigned.cell} and ${second.cell}; delete the assignment that is wrong`,
    );
  }
  const cell = assigned?.cell ?? parsedCell(backend?.value ?? '');
  if (!cell) {
    return problem('BackendUnreadable', `backend of node ${id} is not the name of a cell and it has no assignment`);
  }
  if (backend && backend.value !== cell) {
    return problem(
      'BackendMismatch',
      `backend of node ${id} names cell ${JSON.stringify(backend.value.slice(0, 80))} but it is assigned to ${cell}; correct the backend key`,
    );
  }
  if (assigned && !assigned.entry.value.ok) {
    return problem(
      'AssignmentUnreadable',
      `assignment of node ${id} on cell ${cell} cannot be read (${assigned.entry.value.problem}); correct or delete it`,
    );
  }
  const elsewhere = node.observed.find((at) => at.cell !== cell);
  if (elsewhere) {
    return problem(
      'NodeElsewhere',
      `node ${id} belongs on cell ${cell} but cell ${elsewhere.cell} reports it; it is left alone until that report is gone`,
    );
  }
  const observed = node.observed[0];
  if (observed && !observed.entry.value.ok) {
    return problem(
      'ObservedUnreadable',
      `what cell ${cell} reports of node ${id} cannot be read (${observed.entry.value.problem}); restart the cell's agent`,
    );
  }
  const assignment = good(assigned);
  return {
    id,
    cell,
    desired: assignment?.value.desired === 'removed' ? 'removed' : 'running',
    isHalted: assignment?.value.desired === 'stopped',
    isFenced: node.isFenced,
    backend,
    assignment,
    observed: good(observed),
    member: node.member?.value.ok ? node.member.value.value : undefined,
  };
}

const problem = (reason: string, message: string): Remark => ({ reason, message });

const parsedCell = (text: string): CellId | undefined => {
  const parsed = parseCellId(text);
  return parsed.ok ? parsed.value : undefined;
};

function good<T>(at: OnCell<T> | undefined): Versioned<T> | undefined {
  if (!at?.entry.value.ok) return undefined;
  const { createRevision, modRevision } = at.entry;
  return { value: at.entry.value.value, createRevision, modRevision };
}
