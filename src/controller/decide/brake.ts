import { type Brake, brakeKey } from '../../schema/cell-health.ts';
import { illness, isForgottenCell, lastZone, leastSeenMs } from './cell-health.ts';
import type { Draft } from './decision.ts';
import type { FleetCell, FleetEvent, FleetView } from './fleet.ts';

/** Whether the brake is on, and what is to be said about it. */
export interface BrakeDecision {
  readonly holds: boolean;
  readonly events: readonly FleetEvent[];
  readonly lookAgainMs: number | undefined;
}

/**
 * Puts the brake on while so many cells are gone that nothing should be replaced. Cells that went together come back one
 * after the other: so it eases once enough are there, and is released when all are, or after the time that a cell is
 * given to be seen; a node of the second to come back is not replaced because the first was quicker.
 */
export function decideBrake({ cells, brake, lostAfterMs }: FleetView, now: Date, draft: Draft): BrakeDecision {
  const before = brake?.value;
  const write = (value: Brake) => draft.replace(brakeKey, brake?.modRevision ?? 0n, JSON.stringify(value));
  const reason = blindness(cells);
  if (reason !== undefined) {
    if (reason === before?.reason && before.easing_since === undefined) return on();
    write({ since: before?.since ?? now.toISOString(), reason });
    return on({ type: 'Warning', reason: 'BrakeApplied', object: 'fleet', message: reason });
  }
  if (!before) return { holds: false, events: [], lookAgainMs: undefined };
  if (cells.some(({ cell }) => cell.nodes > 0 && !isForgottenCell(cell) && illness(cell) !== undefined)) {
    const restMs = Math.min(leastSeenMs, lostAfterMs);
    const elapsedMs = now.getTime() - Date.parse(before.easing_since ?? '');
    if (!(elapsedMs >= 0)) {
      const message = 'enough cells are there again, not all: nodes of the others are replaced in a moment';
      write({ since: before.since, reason: message, easing_since: now.toISOString() });
      return { holds: true, events: [], lookAgainMs: restMs };
    }
    if (elapsedMs < restMs) return { holds: true, events: [], lookAgainMs: restMs - elapsedMs };
  }
  draft.delete(brakeKey, brake?.modRevision ?? 0n);
  const message = 'enough cells are there again: nodes of lost cells are replaced';
  const event = { type: 'Normal', reason: 'BrakeReleased', object: 'fleet', message } as const;
  return { holds: false, events: [event], lookAgainMs: undefined };
}

const on = (...events: FleetEvent[]): BrakeDecision => ({ holds: true, events, lookAgainMs: undefined });

/** Why so much of the fleet seems to be gone that it is likelier that nobody sees it; undefined when it is not. */
export function blindness(cells: readonly FleetCell[]): string | undefined {
  // An empty cell, and one that people have given up, is no sign of anything.
  const fleet = cells.filter(({ cell }) => !illness(cell) || (cell.nodes > 0 && !isForgottenCell(cell)));
  const gone = fleet.filter(({ cell }) => illness(cell));
  if (gone.length < 2) return undefined;
  const help =
    'no node is replaced until they are back; if some are gone for good, tell so with `pgherd forget cell`, one by one';
  if (gone.length * 3 > fleet.length) {
    return `${gone.length} of ${fleet.length} cells are gone at once, more than a third: ${help}`;
  }
  const zones = new Map<string, { all: number; gone: number }>();
  for (const { cell } of fleet) {
    const zone = lastZone(cell);
    if (zone === undefined) continue;
    const count = zones.get(zone) ?? { all: 0, gone: 0 };
    count.all += 1;
    if (illness(cell)) count.gone += 1;
    zones.set(zone, count);
  }
  // A zone of one cell is not to be told from its cell.
  const dark = [...zones].filter(([, { all, gone: missing }]) => all > 1 && all === missing).map(([zone]) => zone);
  return dark.length > 0 ? `all cells of zone ${dark.sort().join(', ')} are gone at once: ${help}` : undefined;
}
