import type { InstanceView } from '../view/instance-view.ts';
import { isForgotten, isLost, livesWithout } from './cell-health.ts';
import type { Remark } from './findings.ts';
import { type Health, isLive } from './health.ts';
import type { SoundNode } from './nodes.ts';

/** What to tell of a node because of the cell that it is on; undefined when the cell is well. */
export function describeCellOf(view: InstanceView, node: SoundNode, health: Health): Remark | undefined {
  const { id, cell, desired } = node;
  const { registration, disk } = describe(view, node);
  if (registration) return disk ? { reason: 'DiskFilling', message: disk } : undefined;
  if (desired === 'removed') {
    const message = `node ${id} is to be removed and may still run: start the agent of cell ${cell}, or \`pgherd forget cell ${cell}\``;
    return { reason: 'CellGone', message };
  }
  const { brake } = view.herd;
  if (!isLost(view, node) && !isForgotten(view, node)) {
    const message = `node ${id} is not looked after: start the agent of cell ${cell}`;
    // While the brake is on, no cell becomes lost.
    if (brake) return { reason: 'ReplacementHeld', message: `${message}; ${brake.reason}` };
    return { reason: 'CellGone', message };
  }
  if (node.observed && !livesWithout(view, node, health)) {
    const message =
      `last copy is on lost cell ${cell} (node ${id}), so nothing is replaced: bring the cell back; ` +
      `only if it is gone for good and the data may be lost: pgherd forget cell ${cell} --accept-data-loss`;
    return { reason: 'LastCopyLost', message };
  }
  if (brake && !isForgotten(view, node)) {
    return { reason: 'ReplacementHeld', message: `node ${id} on lost cell ${cell} is not replaced: ${brake.reason}` };
  }
  return { reason: 'CellLost', message: `node ${id} on lost cell ${cell} is being replaced` };
}

function describe({ herd }: InstanceView, { id, cell }: SoundNode) {
  const registration = herd.cells.get(cell)?.registration;
  const disk = registration?.ok ? registration.value.disk : undefined;
  // Without the number, which changes all the time: every change would be written for every node of the cell.
  const says =
    disk &&
    `the disk of node ${id} is over 90 % full: free space below ${disk.directory} on cell ${cell}, or drain the cell`;
  return { registration: isLive({ herd } as InstanceView, cell), disk: says };
}
