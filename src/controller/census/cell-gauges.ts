import type { Registry } from '../../engine/metrics.ts';
import { zoneOf } from '../decide/placement.ts';
import type { Herd } from '../view/herd.ts';
import type { CellView } from '../view/instance-view.ts';
import { gauge } from './census-gauges.ts';

const healths = ['registered', 'suspect'] as const;

/** Declares what is told of the cells: a handful of series a cell. */
export function cellGauges(registry: Registry, herd: Herd): void {
  gauge(
    registry,
    'pgherd_cells',
    'Cells by health (registered: the agent is there and well; suspect: it is gone or unwell) and by room for nodes.',
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
  const perCell = (name: string, help: string, value: (cell: CellView) => number | undefined) =>
    gauge(registry, name, help, ['cell', 'zone'], (set) => {
      for (const cell of herd.cells.values()) {
        const at = value(cell);
        if (at !== undefined) set({ cell: cell.id, zone: zoneOf(cell) ?? '' }, at);
      }
    });
  perCell('pgherd_cell_registered', '1 while the agent of the cell is there and well.', (cell) =>
    healthOf(cell) === 'registered' ? 1 : 0,
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

function healthOf({ registration }: CellView): (typeof healths)[number] {
  return registration?.ok && registration.value.problem === undefined ? 'registered' : 'suspect';
}

function hasRoom(cell: CellView): boolean {
  const has = capacity(cell);
  return !!has && !cell.inMaintenance && cell.nodes < has.nodes && cell.memoryMb < has.memory_mb;
}
