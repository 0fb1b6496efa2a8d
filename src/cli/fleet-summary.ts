import { condition } from '../schema/observed-state.ts';
import { printDuration } from './duration.ts';
import type { CellView, Herd, InstanceView } from './herd.ts';
import { deletionStatus } from './resources/deleted.ts';
import { cellStatus, instanceStatus, stateOf } from './status.ts';

const latest = 5;

/** The whole herd on one screen. */
export function summarize(herd: Herd, nowMs: number): string {
  const instances = [...herd.instances.values()].filter(({ document, state }) => document || state);
  const cells = [...herd.cells.values()].filter(
    (cell) => cell.registration || cell.nodes.length > 0 || cell.maintenance,
  );
  return [
    `Controller:  ${herd.controller ?? 'none: start `pgherd controller`'}`,
    `Routers:     ${[...herd.routers.keys()].join(', ') || 'none: start `pgherd router`'}`,
    `Instances:   ${instances.length}${counted(instances.map(instanceStatus))}`,
    `Cells:       ${cells.length}${counted(cells.map(cellStatus))}`,
    ...section('No node is replaced', herd.brake ? [`since ${herd.brake.since} ${herd.brake.reason}`] : []),
    ...section('Capacity left', capacity(cells)),
    ...section('Restarting one after the other', rollouts(instances, nowMs)),
    ...section('Draining', drains(cells)),
    ...section('Deleted', deletions(instances, nowMs)),
    ...section('Problems, the oldest first', problems(instances, nowMs)),
    '',
  ].join('\n');
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];

function counted(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const parts = [...counts].sort(([, one], [, other]) => other - one).map(([word, count]) => `${count} ${word}`);
  return parts.length > 0 ? ` (${parts.join(', ')})` : '';
}

function capacity(cells: readonly CellView[]): string[] {
  const zones = new Map<string, { nodes: number; memoryMb: number; cells: number }>();
  for (const { registration, maintenance, nodes } of cells) {
    if (!registration?.ok || registration.value.problem !== undefined || maintenance) continue;
    const { zone, capacity: most } = registration.value;
    const used = nodes.reduce((sum, { assignment }) => {
      return sum + (assignment?.ok ? assignment.value.resources.memory_mb : 0);
    }, 0);
    const sum = zones.get(zone) ?? { nodes: 0, memoryMb: 0, cells: 0 };
    sum.nodes += Math.max(0, most.nodes - nodes.length);
    sum.memoryMb += Math.max(0, most.memory_mb - used);
    sum.cells += 1;
    zones.set(zone, sum);
  }
  return [...zones]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([zone, left]) => `${zone}: ${left.nodes} nodes, ${left.memoryMb} MB on ${left.cells} cells`);
}

function rollouts(instances: readonly InstanceView[], nowMs: number): string[] {
  return instances.flatMap((instance) => {
    const rollout = stateOf(instance)?.rollout;
    if (!rollout) return [];
    return [`${instance.id}: since ${printDuration(nowMs - Date.parse(rollout.since))}, last ${rollout.node}`];
  });
}

const drains = (cells: readonly CellView[]): string[] =>
  cells.flatMap(({ id, maintenance, nodes }) =>
    maintenance?.ok && maintenance.value.mode === 'drain' ? [`${id}: ${nodes.length} nodes left`] : [],
  );

function deletions(instances: readonly InstanceView[], nowMs: number): string[] {
  return instances.flatMap((instance) => {
    const status = deletionStatus(instance);
    const eraseAt = stateOf(instance)?.deleted?.erase_at;
    const left = eraseAt === undefined ? '' : `, erased in ${printDuration(Date.parse(eraseAt) - nowMs)}`;
    const held =
      status === 'Held' ? `, runs on: \`pgherd undelete ${instance.id}\` or \`pgherd confirm-deletions\`` : '';
    return status === undefined ? [] : [`${instance.id}: ${status}${left}${held}`];
  });
}

function problems(instances: readonly InstanceView[], nowMs: number): string[] {
  const found = instances.flatMap((instance) => {
    const state = stateOf(instance);
    if (!state || !instance.document || state.accepted?.paused || state.accepted?.hibernated) return [];
    const ready = condition(state, 'Ready');
    // What people have to do something about tells more than that it is not ready.
    const problem = condition(state, 'Degraded') ?? (ready?.status === 'False' ? ready : undefined);
    return problem ? [{ id: instance.id, ...problem }] : [];
  });
  const sorted = found.sort((one, other) => (one.since < other.since ? -1 : 1));
  const rest = sorted.length > latest ? [`and ${sorted.length - latest} more: \`pgherd get instances\``] : [];
  return [
    ...sorted
      .slice(0, latest)
      .map(({ id, since, message }) => `${id} for ${printDuration(nowMs - Date.parse(since))}: ${message}`),
    ...rest,
  ];
}
