import type { CellView, InstanceView } from '../view/instance-view.ts';
import type { Membership, Remark } from './findings.ts';
import { serves } from './health.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { isFilling } from './placement.ts';
import { switchOver } from './switchover.ts';

/**
 * Asks for a switchover when the disk of the leader is full and a replica that streams has room: PostgreSQL leads on
 * without a disk, failing what tenants write, until a new file of WAL is due and it ends. Not while anything else is
 * done with the nodes, and never towards a disk that fills up too: leadership would go to and fro.
 */
export function leaveFullDisk(pass: Pass, { nodes, waiting, progress }: Membership): Remark | undefined {
  const { view, spec, health } = pass;
  const { leader } = health;
  if (!leader || waiting || progress?.rollout || !isFull(cellOf(view, leader))) return undefined;
  const following = nodes.filter((node) => node.id !== leader.id && serves(node, health));
  const roomy = following.filter((node) => !isFilling(cellOf(view, node)));
  // In synchronous mode it is Patroni that chooses.
  if (roomy.length === 0 || (spec.synchronous && roomy.length < following.length)) return undefined;
  const message = `the disk of cell ${leader.cell} is full, and others have room; ${switchOver(pass, leader, roomy)}`;
  return { reason: 'LeavingFullDisk', message };
}

const cellOf = (view: InstanceView, { cell }: SoundNode): CellView | undefined => view.herd.cells.get(cell);

const isFull = (cell: CellView | undefined): boolean =>
  isFilling(cell) && cell?.registration?.ok === true && cell.registration.value.problem !== undefined;
