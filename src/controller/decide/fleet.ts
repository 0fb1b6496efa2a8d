import { maintenanceKey, registeredKey } from '../../schema/cell.ts';
import { type Brake, type CellHealth, cellHealthKey } from '../../schema/cell-health.ts';
import type { CellView, Versioned } from '../view/instance-view.ts';
import { decideBrake } from './brake.ts';
import { illness, lastZone, leastSeenMs } from './cell-health.ts';
import { type Decision, Draft } from './decision.ts';

/** One cell as the fleet is judged by. */
export interface FleetCell {
  readonly cell: CellView;
  /** Members in Patroni of nodes that are assigned to it. */
  readonly members: number;
  /** Nodes that it reports, or once reported, assigned to it or not. */
  readonly reported: number;
  /** For how long this controller has seen it ill without a break, by a clock that nobody can set. */
  readonly seenIllMs: number;
}

/** All cells, and what was said about them before. */
export interface FleetView {
  readonly cells: readonly FleetCell[];
  readonly brake: Versioned<Brake> | undefined;
  readonly lostAfterMs: number;
}

/** An event about a cell, or about the whole fleet. */
export interface FleetEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly object: string;
  readonly message: string;
}

/** What is due for the fleet. */
export interface FleetDecision extends Pick<Decision, 'compares' | 'ops'> {
  readonly events: readonly FleetEvent[];
  readonly requeueAfterMs: number | undefined;
}

const lookAgainMs = 2_000;
const lookAtLostMs = 30_000;
// Of a transaction, well below what the store takes.
const mostCells = 40;

/** Judges the health of every cell, and whether so many are gone at once that nothing should be replaced. */
export function decideFleet(view: FleetView, now: Date): FleetDecision {
  const draft = new Draft();
  const events: FleetEvent[] = [];
  const brake = decideBrake(view, now, draft);
  events.push(...brake.events);
  let waitMs = brake.lookAgainMs;
  let changed = 0;
  for (const each of view.cells) {
    if (changed === mostCells) {
      waitMs = 1;
      break;
    }
    const due = judge(each, view.lostAfterMs, brake.holds, now);
    if (typeof due === 'number') waitMs = Math.min(waitMs ?? due, due);
    else if (due) {
      changed += 1;
      carryOut(each, due, draft, events);
    }
  }
  const { compares, ops } = draft.finish();
  return { compares, ops, events, requeueAfterMs: waitMs };
}

type Due =
  | { readonly do: 'write'; readonly health: CellHealth; readonly event?: Omit<FleetEvent, 'object'> }
  | { readonly do: 'forget' }
  | { readonly do: 'recall' };

/** What is due for one cell, or when to look again. */
function judge(each: FleetCell, lostAfterMs: number, isBraked: boolean, now: Date): Due | number | undefined {
  const { cell, members, reported } = each;
  const before = cell.health?.value;
  if (cell.maintenance?.mode === 'forget') {
    if (cell.registration) return { do: 'recall' };
    if (cell.nodes === 0 && reported === 0) return { do: 'forget' };
  }
  const zone = lastZone(cell) ?? 'default';
  const since = now.toISOString();
  const why = illness(cell);
  if (why === undefined) {
    if (before?.health === 'Registered' && before.zone === zone) return undefined;
    const health: CellHealth = { health: 'Registered', since, zone };
    if (!before || before.health === 'Registered') return { do: 'write', health };
    const message = `cell ${cell.id} is back after being ${before.health} since ${before.since}`;
    return { do: 'write', health, event: { type: 'Normal', reason: 'CellBack', message } };
  }
  if (!before && cell.nodes === 0 && reported === 0) return undefined;
  if (!before || before.health === 'Registered') {
    const health: CellHealth = { health: 'Suspect', since, zone, reason: why };
    return { do: 'write', health, event: { type: 'Warning', reason: 'CellSuspect', message: why } };
  }
  if (before.health === 'Lost' && members === 0) return cell.nodes > 0 ? lookAtLostMs : undefined;
  if (before.health === 'Lost') {
    const reason = `${why}, but Patroni hears of ${members} of its nodes again`;
    const health: CellHealth = { health: 'Suspect', since, zone, reason };
    return { do: 'write', health, event: { type: 'Warning', reason: 'CellSuspect', message: reason } };
  }
  const waitMs = untilLostMs(each, before.since, lostAfterMs, now);
  if (waitMs > 0) return waitMs;
  // The brake is looked at again whenever a cell comes or goes.
  if (isBraked) return undefined;
  if (members > 0) return lookAgainMs;
  const message = `${why} since ${before.since}, and Patroni hears of none of its nodes`;
  const health: CellHealth = { health: 'Lost', since, zone, reason: message };
  return { do: 'write', health, event: { type: 'Warning', reason: 'CellLost', message } };
}

// What an earlier controller saw counts by the wall clock, which somebody may have set: then a minute of one's own too.
function untilLostMs({ seenIllMs }: FleetCell, since: string, lostAfterMs: number, now: Date): number {
  const sinceMs = Date.parse(since);
  const elapsedMs = Number.isNaN(sinceMs) ? 0 : now.getTime() - sinceMs;
  const byWallMs = Math.max(lostAfterMs - elapsedMs, Math.min(leastSeenMs, lostAfterMs) - seenIllMs);
  return Math.max(0, Math.ceil(Math.min(lostAfterMs - seenIllMs, byWallMs)));
}

function carryOut({ cell }: FleetCell, due: Due, draft: Draft, events: FleetEvent[]): void {
  const object = `cell/${cell.id}`;
  const key = cellHealthKey(cell.id);
  if (due.do === 'recall') {
    draft.remove(maintenanceKey(cell.id));
    const message = `cell ${cell.id} is back, so it is not forgotten`;
    events.push({ type: 'Warning', reason: 'CellBack', object, message });
    return;
  }
  if (due.do === 'forget') {
    draft.guardAbsent(registeredKey(cell.id));
    draft.remove(maintenanceKey(cell.id));
    draft.remove(key);
    events.push({ type: 'Normal', reason: 'CellForgotten', object, message: `cell ${cell.id} is forgotten` });
    return;
  }
  draft.replace(key, cell.health?.modRevision ?? 0n, JSON.stringify(due.health));
  if (due.event) events.push({ ...due.event, object });
}
