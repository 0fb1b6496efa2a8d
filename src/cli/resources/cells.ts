import type { CellView } from '../herd.ts';
import { herdRanges } from '../read-herd.ts';
import { cellStatus } from '../status.ts';
import { type Resource, readable } from './resource.ts';

const registration = ({ registration }: CellView) => (registration?.ok ? registration.value : undefined);

const reservedMemoryMb = ({ nodes }: CellView): number =>
  nodes.reduce((sum, { assignment }) => sum + (assignment?.ok ? assignment.value.resources.memory_mb : 0), 0);

export const cells: Resource<CellView> = {
  names: ['cells', 'cell', 'c'],
  ranges: herdRanges,
  rows: (herd) => [...herd.cells.values()],
  id: ({ id }) => id,
  matches: ({ id }, name) => id === name,
  columns: () => [
    { heading: 'NAME', show: ({ id }) => id },
    { heading: 'ZONE', show: (cell) => registration(cell)?.zone ?? '' },
    { heading: 'RUNTIME', show: (cell) => registration(cell)?.runtime ?? '' },
    { heading: 'STATUS', show: cellStatus },
    {
      heading: 'NODES',
      show: (cell) => `${cell.nodes.length}/${registration(cell)?.capacity.nodes ?? '?'}`,
    },
    {
      heading: 'MEMORY-MB',
      show: (cell) => `${reservedMemoryMb(cell)}/${registration(cell)?.capacity.memory_mb ?? '?'}`,
    },
    { heading: 'ADDRESS', show: (cell) => registration(cell)?.address ?? '' },
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
    { heading: 'PROBLEM', wide: true, show: (cell) => registration(cell)?.problem ?? '' },
  ],
  json: (cell) => ({
    id: cell.id,
    status: cellStatus(cell),
    registration: readable(cell.registration),
    maintenance: readable(cell.maintenance),
    reserved_memory_mb: reservedMemoryMb(cell),
    nodes: cell.nodes.map(({ id }) => id),
  }),
};
