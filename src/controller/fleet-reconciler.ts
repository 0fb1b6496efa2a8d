import { keyOf } from '../engine/cache.ts';
import type { ReconcileContext, Result } from '../engine/controller.ts';
import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Change } from '../engine/informer.ts';
import { parseAssignmentKey } from '../schema/assignment.ts';
import { maintenancePrefix, registeredPrefix } from '../schema/cell.ts';
import { brakeKey, cellHealthPrefix } from '../schema/cell-health.ts';
import { type CellId, instanceOfNode } from '../schema/ids.ts';
import { parseObservedKey } from '../schema/observed-node.ts';
import { memberKey } from '../schema/patroni.ts';
import type { Compare, Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { commit } from './commit.ts';
import { illness } from './decide/cell-health.ts';
import { decideFleet, type FleetCell, type FleetView } from './decide/fleet.ts';
import type { CellFact } from './view/facts-of-keys.ts';
import type { Herd } from './view/herd.ts';
import type { Informers } from './view/informers.ts';
import type { CellView } from './view/instance-view.ts';

export interface FleetReconcilerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly informers: Informers;
  readonly herd: Herd;
  readonly events: EventRecorder;
}

/** The one key of its queue. */
export const fleetKey = 'fleet';
/** How long a cell may be gone before its nodes are replaced, unless told otherwise. */
export const defaultCellLostAfterMs = 5 * 60_000;

const retryAfterMs = 100;

/** One pass over the fleet: which cells are there, which are not, and whether that can be believed. */
export class FleetReconciler {
  readonly #options: FleetReconcilerOptions;
  /** Since when this process has seen a cell ill, monotonic. */
  readonly #illSince = new Map<CellId, number>();

  constructor(options: FleetReconcilerOptions) {
    this.#options = options;
  }

  /** Asks for a pass when something about the cells themselves has changed. */
  wakeOnChange(wake: () => void): void {
    const { informers, herd } = this.#options;
    informers.cells.onChange((change) => {
      if (isAboutCells(change) || isOnIllCell(change, herd)) wake();
    });
  }

  async reconcile(fence: Compare, { signal, logger }: ReconcileContext): Promise<Result> {
    const { store, clock, informers, events } = this.#options;
    const { compares, ops, events: due, requeueAfterMs } = decideFleet(this.#view(), new Date(clock.now()));
    if (ops.length > 0) {
      const outcome = await commit(store, fence, { compares, ops }, signal);
      if (!outcome.committed) return { requeueAfterMs: retryAfterMs };
      for (const { type, reason, object, message } of due) {
        events.record({ type, reason, object, message });
        logger.info({ object, reason, message }, 'fleet changed');
      }
      await informers.reached(
        ops.flatMap((op) => ('key' in op ? [op.key] : [])),
        outcome.revision,
        signal,
      );
    }
    return requeueAfterMs === undefined ? {} : { requeueAfterMs };
  }

  #view(): FleetView {
    const { informers, herd } = this.#options;
    const entry = informers.cells.get(brakeKey);
    const parsed = entry?.value.kind === 'brake' ? entry.value.value : undefined;
    // One that cannot be read is written anew, or goes.
    const value = parsed?.ok ? parsed.value : { since: '', reason: '' };
    const brake = entry && { value, createRevision: entry.createRevision, modRevision: entry.modRevision };
    const cells = [...herd.cells.values()].map((cell) => this.#cell(cell));
    for (const id of this.#illSince.keys()) if (!herd.cells.has(id)) this.#illSince.delete(id);
    const lostAfterMs = herd.settings.cellLostAfterMs ?? defaultCellLostAfterMs;
    return { cells, brake, lostAfterMs };
  }

  #cell(cell: CellView): FleetCell {
    const { clock, informers, herd } = this.#options;
    const reported = herd.cellIndex.reportedOn(cell.id);
    if (illness(cell) === undefined) {
      this.#illSince.delete(cell.id);
      return { cell, members: 0, reported, seenIllMs: 0 };
    }
    const nowMs = clock.monotonic();
    const sinceMs = this.#illSince.get(cell.id) ?? nowMs;
    this.#illSince.set(cell.id, sinceMs);
    let members = 0;
    for (const node of herd.cellIndex.nodesOn(cell.id)) {
      const instance = instanceOfNode(node);
      if (instance && informers.scopes.get(memberKey(instance, node))) members += 1;
    }
    return { cell, members, reported, seenIllMs: nowMs - sinceMs };
  }
}

function isAboutCells(change: Change<CellFact>): boolean {
  const key = keyOf(change);
  return [registeredPrefix, maintenancePrefix, cellHealthPrefix, brakeKey].some((prefix) => key.startsWith(prefix));
}

// Whether it still holds anything decides about the brake, and about forgetting it.
function isOnIllCell(change: Change<CellFact>, herd: Herd): boolean {
  const key = keyOf(change);
  const cell = (parseAssignmentKey(key) ?? parseObservedKey(key))?.cell;
  if (!cell) return false;
  const view = herd.cells.get(cell);
  return view === undefined || illness(view) !== undefined;
}
