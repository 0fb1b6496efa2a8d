import { printAge, printDuration } from '../duration.ts';
import type { InstanceView } from '../herd.ts';
import { herdRanges } from '../read-herd.ts';
import { stateOf } from '../status.ts';
import { type InstanceRow, instanceRow } from './instances.ts';
import type { Resource } from './resource.ts';

/** How far the deletion of an instance is in one word, undefined when its document is there. */
export function deletionStatus(instance: InstanceView): string | undefined {
  const state = stateOf(instance);
  if (instance.document || !instance.state) return undefined;
  if (!state) return 'Unreadable';
  if (state.deleting) return 'Erasing';
  if (state.deletion_held) return 'Held';
  if (state.deleted) return state.conditions.find(({ type }) => type === 'Deleting')?.reason ?? 'Stopping';
  return state.conditions.find(({ type }) => type === 'Deleting')?.reason ?? 'Pending';
}

const left = (eraseAt: string | undefined, nowMs: number): string =>
  eraseAt === undefined ? '-' : printDuration(Date.parse(eraseAt) - nowMs);

/** Instances whose document is gone, and that can be restored as long as they are listed and not `Erasing`. */
export const deleted: Resource<InstanceRow> = {
  names: ['deleted'],
  ranges: herdRanges,
  rows: (herd) =>
    [...herd.instances.values()]
      .filter((instance) => deletionStatus(instance) !== undefined)
      .map((instance) => instanceRow(instance, herd)),
  id: ({ instance }) => instance.id,
  matches: ({ instance }, name) => instance.id === name,
  columns: (now) => [
    { heading: 'NAME', show: ({ instance }) => instance.id },
    { heading: 'PLAN', show: ({ plan }) => plan },
    { heading: 'PORT', show: ({ state }) => String(state?.allocated_port ?? '') },
    { heading: 'STATUS', show: ({ instance }) => deletionStatus(instance) ?? '' },
    { heading: 'DELETED', ticks: true, show: ({ state }) => printAge(state?.deleted?.since, now()) },
    { heading: 'ERASED-IN', ticks: true, show: ({ state }) => left(state?.deleted?.erase_at, now()) },
    { heading: 'CELLS', wide: true, show: ({ nodes }) => nodes.map(({ node }) => node.cell).join(',') },
  ],
  json: ({ instance, plan, state }) => ({
    id: instance.id,
    plan,
    status: deletionStatus(instance),
    port: state?.allocated_port,
    ...state?.deleted,
    accepted: state?.accepted,
  }),
};
