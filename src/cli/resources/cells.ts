import type { CellView } from '../herd.ts';
import { herdRanges } from '../read-herd.ts';
import { cellHealth, cellStatus } from '../status.ts';
import { type Resource, readable } from './resource.ts';

const registration = ({ registration }: CellView) => (registration?.ok ? registration.value : undefined);

const reservedMemoryMb = ({ nodes }: CellView): number =>
  nodes.reduce((sum, { assignment }) => sum + (assignment?.ok ? assignment.value.resources.memory_mb : 0), 0);

function problemOf(cell: CellView): string {
  const { problem, disk } = registration(cell) ?? {};
  if (problem !== undefined) return problem;
  if (disk) return `${disk.directory} is ${disk.used_percent} % full`;
  return cell.health?.ok && !cell.registration ? (cell.health.value.reason ?? '') : '';
}

export const cells: Resource<CellView> = {
  names: ['cells', 'cell', 'c'],
  ranges: herdRanges,
  rows: (herd) => [...herd.cells.values()],
  id: ({ id }) => id,
  matches: ({ id }, name) => id === name,
  columns: (now) => [
    { heading: 'NAME', show: ({ id }) => id },
    { heading: 'ZONE', show: (cell) => registration(cell)?.zone ?? '' },
    { heading: 'RUNTIME', show: (cell) => registration(cell)?.runtime ?? '' },
    { heading: 'STATUS', show: (cell) => cellStatus(cell, now()) },
    { heading: 'HEALTH', ticks: true, show: (cell) => cellHealth(cell, now()) },
    {
      heading: 'NODES',
      show: (cell) => `${cell.nodes.length}/${registration(cell)?.capacity.nodes ?? '?'}`,
    },
    {
      heading: 'MEMORY-MB',
      show: (cell) => `${reservedMemoryMb(cell)}/${registration(cell)?.capacity.memory_mb ?? '?'}`,
    },
    { heading: 'ADDRESS', show: (cell) => registration(cell)?.address ?? '' },
    {
      heading: 'POSTGRESQL',
      wide: true,
      show: (cell) => {
        const { postgresql_versions: versions = [], images } = registration(cell) ?? {};
        return [...versions, ...(images ? ['images'] : [])].join(',');
      },
    },
    { heading: 'VERSION', wide: true, show: (cell) => registration(cell)?.version ?? '' },
    {
      heading: 'LABELS',
      wide: true,
      show: (cell) =>
        Object.entries(registration(cell)?.labels ?? {})
          .map(([name, value]) => `${name}=${value}`)
          .join(','),
    },
    { heading: 'METRICS', wide: true, show: (cell) => registration(cell)?.metrics ?? '' },
    { heading: 'PROBLEM', wide: true, show: problemOf },
  ],
  remarks: ({ brake }) => (brake ? [`since ${brake.since} ${brake.reason}`] : []),
  json: (cell) => ({
    id: cell.id,
    status: cellStatus(cell),
    registration: readable(cell.registration),
    health: readable(cell.health),
    maintenance: readable(cell.maintenance),
    reserved_memory_mb: reservedMemoryMb(cell),
    nodes: cell.nodes.map(({ id }) => id),
  }),
};
