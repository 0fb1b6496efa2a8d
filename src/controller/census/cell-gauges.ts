import type { Registry } from '../../engine/metrics.ts';
import { illness, isLostCell, lastZone } from '../decide/cell-health.ts';
import type { Herd } from '../view/herd.ts';
import type { CellView } from '../view/instance-view.ts';
import { gauge } from './census-gauges.ts';

const healths = ['registered', 'suspect', 'lost'] as const;
const modes = ['cordon', 'drain', 'forget', 'unreadable'] as const;

/** Declares what is told of the cells: a handful of series a cell. */
export function cellGauges(registry: Registry, herd: Herd): void {
  gauge(
    registry,
    'pgherd_cells',
    'Cells by health (registered: there and well; suspect: gone or unwell; lost: its nodes are replaced) and by room.',
    ['health', 'room'],
    (set) => {
      const counts = new Map(healths.flatMap((health) => ['yes', 'no'].map((room) => [`${health} ${room}`, 0])));
      for (const cell of herd.cells.values()) {
        const key = `${healthOf(cell)} ${hasRoom(cell) ? 'yes' : 'no'}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      for (const [key, count] of counts) {
        const [health = '', room = ''] = key.split(' ');
        set({ health, room }, count);
      }
    },
  );
  gauge(registry, 'pgherd_cells_in_maintenance', 'Cells that operators took out, by how.', ['mode'], (set) => {
    const counts = Object.fromEntries(modes.map((mode) => [mode, 0]));
    for (const { inMaintenance, maintenance } of herd.cells.values()) {
      const mode = maintenance?.mode ?? 'unreadable';
      if (inMaintenance) counts[mode] = (counts[mode] ?? 0) + 1;
    }
    for (const [mode, count] of Object.entries(counts)) set({ mode }, count);
  });
  gauge(
    registry,
    'pgherd_replacement_braked',
    '1 while so many cells are gone that no node of a lost one is replaced.',
    [],
    (set) => set({}, herd.brake ? 1 : 0),
  );
  const perCell = (name: string, help: string, value: (cell: CellView) => number | undefined) =>
    gauge(registry, name, help, ['cell', 'zone'], (set) => {
      for (const cell of herd.cells.values()) {
        const at = value(cell);
        if (at !== undefined) set({ cell: cell.id, zone: lastZone(cell) ?? '' }, at);
      }
    });
  perCell('pgherd_cell_registered', '1 while the agent of the cell is there and well.', (cell) =>
    healthOf(cell) === 'registered' ? 1 : 0,
  );
  perCell('pgherd_cell_draining', '1 while the nodes of the cell are to move elsewhere.', (cell) =>
    cell.maintenance?.mode === 'drain' ? 1 : 0,
  );
  perCell('pgherd_cell_nodes', 'Nodes assigned to the cell.', ({ nodes }) => nodes);
  perCell('pgherd_cell_nodes_capacity', 'Nodes that the cell takes.', (cell) => capacity(cell)?.nodes);
  perCell('pgherd_cell_memory_bytes', 'Memory promised to the nodes of the cell.', (cell) => cell.memoryMb * 1024 ** 2);
  perCell('pgherd_cell_memory_capacity_bytes', 'Memory that the cell has for nodes.', (cell) => {
    const has = capacity(cell);
    return has && has.memory_mb * 1024 ** 2;
  });
}

const capacity = ({ registration }: CellView) => (registration?.ok ? registration.value.capacity : undefined);

function healthOf(cell: CellView): (typeof healths)[number] {
  if (illness(cell) === undefined && cell.registration?.ok) return 'registered';
  return isLostCell(cell) ? 'lost' : 'suspect';
}

function hasRoom(cell: CellView): boolean {
  const has = capacity(cell);
  return !!has && !cell.inMaintenance && cell.nodes < has.nodes && cell.memoryMb < has.memory_mb;
}
