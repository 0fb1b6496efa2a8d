import type { Maintenance } from '../schema/cell.ts';
import { type Condition, type ConditionType, condition, type ObservedState } from '../schema/observed-state.ts';
import type { Member } from '../schema/patroni.ts';
import { printAge } from './duration.ts';
import type { CellView, Herd, InstanceView, NodeView } from './herd.ts';

/** What the controller last said about an instance, undefined when nothing readable. */
export const stateOf = (instance: InstanceView): ObservedState | undefined =>
  instance.state?.ok ? instance.state.value : undefined;

/** Whether the controller has seen the document as it is now: before that, its conditions speak of an earlier one. */
export function isCurrent({ document, state }: Pick<InstanceView, 'document' | 'state'>): boolean {
  if (!document || !state?.ok) return false;
  const { uid, observed_generation: generation } = state.value;
  return uid === String(document.createRevision) && generation === String(document.modRevision);
}

/** An instance in one word, with the conditions an operator must not overlook: `Ready,Degraded`. */
export function instanceStatus(instance: InstanceView): string {
  if (instance.state && !instance.state.ok) return 'Unreadable';
  const state = stateOf(instance);
  const is = (type: ConditionType): boolean => state !== undefined && condition(state, type)?.status === 'True';
  if (!instance.document && state?.deletion_held) return 'DeletionHeld';
  if (!instance.document && state?.deleted && !state.deleting) return 'Deleted';
  if (!instance.document || is('Deleting')) return 'Deleting';
  if (!state) return 'Pending';
  const ready = condition(state, 'Ready');
  const words = [ready?.status === 'True' ? 'Ready' : (ready?.reason ?? 'NotReady')];
  if (condition(state, 'Accepted')?.status === 'False') words.push('Refused');
  if (is('Degraded')) words.push('Degraded');
  if (is('Hibernated')) words.push('Hibernated');
  if (is('Paused')) words.push('Paused');
  if (!isCurrent(instance)) words.push('Pending');
  return [...new Set(words)].join(',');
}

/** What keeps an instance from being ready, as a sentence; undefined when it is. */
export function waitsFor(
  instance: Pick<InstanceView, 'document' | 'state'>,
  controller: string | undefined,
): string | undefined {
  const noController = 'no controller is running: start one with `pgherd controller`';
  if (instance.state && !instance.state.ok) return `its state cannot be read: ${instance.state.problem}`;
  const state = instance.state?.value;
  if (!isCurrent(instance)) {
    if (controller === undefined) return noController;
    if (instance.document) return 'the controller has not looked at the document yet';
  }
  const accepted = state && condition(state, 'Accepted');
  if (accepted?.status === 'False') return accepted.message;
  const ready: Condition | undefined = state && condition(state, 'Ready');
  if (!ready || ready.status === 'True') return undefined;
  return controller === undefined ? `${ready.message}; ${noController}` : ready.message;
}

/** A node together with what is known about it elsewhere. */
export interface NodeStatus {
  readonly node: NodeView;
  readonly member: Member | undefined;
  readonly runtime: string | undefined;
  readonly zone: string | undefined;
  readonly role: 'leader' | 'replica' | undefined;
  /** The state its cell reports, `Assigned` before the first report, `CellLost` when its cell's agent is gone. */
  readonly state: string;
  /** Serves: leads, or runs and streams from the leader. */
  readonly ready: boolean;
}

export function nodeStatus(node: NodeView, herd: Herd): NodeStatus {
  const instance = herd.instances.get(node.instance);
  const cell = herd.cells.get(node.cell)?.registration;
  const member = instance?.members.get(node.id);
  const observed = node.observed?.ok ? node.observed.value : undefined;
  const leads = instance?.leader === node.id;
  const running = cell !== undefined && observed?.state === 'running';
  return {
    node,
    member: member?.ok ? member.value : undefined,
    runtime: cell?.ok ? cell.value.runtime : undefined,
    zone: cell?.ok ? cell.value.zone : undefined,
    role: leads ? 'leader' : member ? 'replica' : undefined,
    state: stateWord(node, cell !== undefined),
    ready: running && (leads || streams(node, instance)),
  };
}

function stateWord(node: NodeView, cellIsThere: boolean): string {
  if (node.observed && !node.observed.ok) return 'Unreadable';
  const removed = node.assignment?.ok && node.assignment.value.desired === 'removed';
  const state = node.observed?.value.state;
  if (!cellIsThere) return 'CellLost';
  if (removed) return 'Removing';
  return state ? capitalized(state) : 'Assigned';
}

/** Only the leader knows who streams: the agent of its cell publishes it. */
function streams(node: NodeView, instance: InstanceView | undefined): boolean {
  const leader = instance?.nodes.find(({ id }) => id === instance.leader)?.observed;
  return leader?.ok === true && (leader.value.streaming ?? []).some((id) => id === node.id);
}

/** A cell in one word, with what operators said about it; without a time no drain has come to its end. */
export function cellStatus(cell: CellView, nowMs = 0): string {
  const words: string[] = [];
  if (!cell.registration) words.push('Gone');
  else if (!cell.registration.ok) words.push('Unreadable');
  else words.push(cell.registration.value.problem === undefined ? 'Ready' : 'Problem');
  if (cell.maintenance) {
    words.push(cell.maintenance.ok ? maintenanceWord(cell.maintenance.value, cell, nowMs) : 'Cordoned');
  }
  return words.join(',');
}

function maintenanceWord({ mode, deadline }: Maintenance, { nodes }: CellView, nowMs: number): string {
  if (mode === 'cordon') return 'Cordoned';
  if (mode === 'forget') return 'Forgetting';
  if (nodes.length === 0) return 'Drained';
  return Date.parse(deadline ?? '') <= nowMs ? 'DrainEnded' : 'Draining';
}

/** What the controller thinks of the cell and, when it is not well, for how long: `Suspect 3m`. */
export function cellHealth({ registration, health }: CellView, nowMs: number): string {
  const isWell = registration && (!registration.ok || registration.value.problem === undefined);
  if (isWell) return 'Registered';
  if (!health?.ok || health.value.health === 'Registered') return 'Suspect';
  return `${health.value.health} ${printAge(health.value.since, nowMs)}`;
}

/** A simulated node or cell is named so wherever it is shown. */
export const named = (text: string, runtime: string | undefined): string =>
  runtime === 'simulated' ? `${text} (simulated)` : text;

const capitalized = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
