import type { CellRegistration } from '../../schema/cell.ts';
import type { CellId } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { CellView } from '../view/instance-view.ts';

/** What a node to be placed needs. */
export interface Need {
  readonly pool: InstanceSpec['pool'];
  readonly memoryMb: number;
  /** Major version of PostgreSQL; any when undefined. */
  readonly version?: string | undefined;
  /** What it is a container of; as the cell will when undefined. */
  readonly image?: string | undefined;
}

/**
 * The order in which cells are chosen for the next node of an instance that already has nodes on `held`: cells without
 * a node of it first, then those whose disk is not nearly full, then the zone with the fewest of its nodes, then the cell with the fewest nodes, then by name.
 */
export function rankCells(cells: readonly CellView[], held: readonly CellView[]): CellView[] {
  return [...cells].sort(comparator(held));
}

/** The best cells for `count` more nodes, as many as there are; never two nodes of one instance on a cell. */
export function chooseCells(
  cells: Iterable<CellView>,
  used: ReadonlySet<CellId>,
  held: readonly CellView[],
  need: Need,
  count: number,
): CellView[] {
  const free: CellView[] = [];
  for (const cell of cells) if (!used.has(cell.id) && !refusal(cell, need)) free.push(cell);
  const chosen: CellView[] = [];
  while (chosen.length < count && free.length > 0) {
    const better = comparator([...held, ...chosen]);
    const best = free.reduce((one, other) => (better(other, one) < 0 ? other : one));
    free.splice(free.indexOf(best), 1);
    chosen.push(best);
  }
  return chosen;
}

/** Why a cell takes no node of this kind, in words that follow "is" or "are"; undefined when it does. */
export function refusal(cell: CellView, need: Need): string | undefined {
  const registration = cell.registration;
  if (!registration) return 'not registered';
  if (!registration.ok) return 'registered with something that cannot be read';
  if (!inPool(cell.id, registration.value, need.pool)) return 'outside the pool';
  const lacking = missingSoftware(registration.value, need);
  if (lacking !== undefined) return lacking;
  if (cell.inMaintenance) return 'in maintenance';
  if (registration.value.problem !== undefined) return 'reporting a problem';
  const { capacity } = registration.value;
  if (cell.nodes >= capacity.nodes || cell.memoryMb + need.memoryMb > capacity.memory_mb) return 'full';
  return undefined;
}

/** A sentence on why no cell is left: how many there are, what speaks against each, and what would help. */
export function explainShortage(cells: Iterable<CellView>, used: ReadonlySet<CellId>, need: Need): string {
  const counts = new Map<string, number>();
  const unknown = new Set<string>(need.pool.cells);
  let total = 0;
  for (const cell of cells) {
    total += 1;
    unknown.delete(cell.id);
    const reason = used.has(cell.id) ? 'already holding a node of this instance' : refusal(cell, need);
    if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  if (total === 0) return 'there are no cells; start `pgherd cell` on a machine';
  const against = [...counts].sort().map(([reason, count]) => `${count} ${count === 1 ? 'is' : 'are'} ${reason}`);
  const strangers = unknown.size > 0 ? `; nothing is known of ${shorten([...unknown])}` : '';
  return `no cell${describePool(need.pool)} has room: of ${total}, ${against.join(', ')}${strangers}; add a cell or widen the pool`;
}

type Software = Pick<Need, 'version' | 'image'>;

/** What a node needs and the cell does not have, as far as it says, in words that follow "is". An image brings its own PostgreSQL. */
function missingSoftware({ postgresql_versions, images }: CellRegistration, need: Software): string | undefined {
  if (need.image !== undefined) return images ? undefined : 'not running containers';
  if (need.version === undefined || postgresql_versions?.includes(need.version)) return undefined;
  return `without PostgreSQL ${need.version}`;
}

/** Whether the cell says that it cannot run what a node needs. One of an earlier version says nothing. */
export function cannotRun(registration: CellRegistration, need: Software): boolean {
  if ((need.image === undefined ? registration.postgresql_versions : registration.images) === undefined) return false;
  return missingSoftware(registration, need) !== undefined;
}

/** Whether an instance with this pool may have nodes on the cell. */
export function inPool(id: CellId, registration: CellRegistration, pool: InstanceSpec['pool']): boolean {
  if (pool.cells && !pool.cells.includes(id)) return false;
  if (pool.zones && !pool.zones.includes(registration.zone)) return false;
  return Object.entries(pool.labels ?? {}).every(([name, value]) => registration.labels[name] === value);
}

export const zoneOf = (cell: CellView | undefined): string | undefined =>
  cell?.registration?.ok ? cell.registration.value.zone : undefined;

/** Whether the disk that the cell's nodes live on is nearly full. */
export const isFilling = (cell: CellView | undefined): boolean =>
  cell?.registration?.ok === true && cell.registration.value.disk !== undefined;

function comparator(held: readonly CellView[]): (one: CellView, other: CellView) => number {
  const used = new Set(held.map((cell) => cell.id));
  const perZone = new Map<string | undefined, number>();
  for (const cell of held) perZone.set(zoneOf(cell), (perZone.get(zoneOf(cell)) ?? 0) + 1);
  const inZone = (cell: CellView) => perZone.get(zoneOf(cell)) ?? 0;
  return (one, other) =>
    Number(used.has(one.id)) - Number(used.has(other.id)) ||
    Number(isFilling(one)) - Number(isFilling(other)) ||
    inZone(one) - inZone(other) ||
    one.nodes - other.nodes ||
    (one.id < other.id ? -1 : 1);
}

function describePool(pool: InstanceSpec['pool']): string {
  const parts: string[] = [];
  if (pool.cells) parts.push(`among ${shorten(pool.cells)}`);
  if (pool.zones) parts.push(`in zones ${shorten(pool.zones)}`);
  const labels = Object.entries(pool.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  if (labels.length > 0) parts.push(`with labels ${shorten(labels)}`);
  return parts.map((part) => ` ${part}`).join('');
}

const shorten = (names: readonly string[]): string =>
  names.length <= 5 ? names.join(',') : `${names.slice(0, 5).join(',')} and ${names.length - 5} more`;
