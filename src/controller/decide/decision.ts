import type { CellId, NodeId } from '../../schema/ids.ts';
import type { Compare, Op } from '../../store/store.ts';

/** What is due for one instance: one transaction, and what to tell people once it is committed. Empty when converged. */
export interface Decision {
  /** What the view said about the keys this was decided from; the transaction fails if any has changed. */
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  readonly events: readonly DueEvent[];
  /** Nothing but the state is written, and Ready stays as it is: it may wait until more has happened. */
  readonly isProgress: boolean;
  /** When to look again although nothing changed. */
  readonly requeueAfterMs: number | undefined;
  /** Nodes that take room on cells from now on, before the store shows it. */
  readonly placements: readonly Placement[];
  /** The port that is taken from now on, before the store shows it. */
  readonly takesPort: number | undefined;
  /** Nodes that begin to be replaced or moved, as far as that is rationed. */
  readonly moves: number;
  /** It begins to restart the instance's nodes one after the other. */
  readonly startsRollout: boolean;
  /** Room on a cell, or a free port, would change the decision. */
  readonly waitsForRoom: boolean;
  /** A router that has applied this revision would change the decision. */
  readonly waitsForRoute: bigint | undefined;
}

/** An event about the instance that was decided on. */
export interface DueEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface Placement {
  readonly node: NodeId;
  readonly cell: CellId;
  readonly memoryMb: number;
}

/** Where numbers come from that may not be guessed: a whole number in [0, exclusiveMax). */
export type RandomInt = (exclusiveMax: number) => number;

/** A decision in the making: each part of `decide` adds what it finds due. */
export class Draft {
  readonly #compares = new Map<string, Compare>();
  readonly #ops = new Map<string, Op>();
  readonly #events: DueEvent[] = [];
  readonly #placements: Placement[] = [];
  takesPort: number | undefined;
  requeueAfterMs: number | undefined;
  /** When replicas were built anew, if one is now. */
  repairs: readonly string[] | undefined;
  isProgress = false;
  moves = 0;
  startsRollout = false;
  waitsForRoom = false;
  waitsForRoute: bigint | undefined;

  /** Writes a key that must not exist yet. */
  create(key: string, value: string): void {
    this.guardAbsent(key);
    this.put(key, value);
  }

  /** Overwrites a key that was last changed at `modRevision`. */
  replace(key: string, modRevision: bigint, value: string): void {
    this.guard(key, modRevision);
    this.put(key, value);
  }

  /** Writes a key whatever it held: only together with a guard that makes this safe. */
  put(key: string, value: string): void {
    this.#ops.set(key, { type: 'put', key, value });
  }

  /** Writes a key if it holds less, as text; whether it does is of no matter to the rest. */
  raise(key: string, value: string): void {
    this.#ops.set(key, { type: 'raise', key, value });
  }

  delete(key: string, modRevision: bigint): void {
    this.guard(key, modRevision);
    this.remove(key);
  }

  /** Removes a key whatever it holds: only together with a comparison that makes this safe. */
  remove(key: string): void {
    this.#ops.set(key, { type: 'delete', key });
  }

  deleteRange(start: string, end: string): void {
    this.#ops.set(`${start}…`, { type: 'deleteRange', range: { start, end } });
  }

  /** Lets the transaction fail if the key has changed since. */
  guard(key: string, modRevision: bigint): void {
    this.#compares.set(key, { key, target: 'mod', op: '=', value: modRevision });
  }

  guardAbsent(key: string): void {
    this.#compares.set(key, { key, target: 'create', op: '=', value: 0n });
  }

  compare(compare: Compare): void {
    this.#compares.set(compare.key, compare);
  }

  event(type: DueEvent['type'], reason: string, message: string): void {
    this.#events.push({ type, reason, message });
  }

  place(placement: Placement): void {
    this.#placements.push(placement);
  }

  /** Asks for another pass after that time, or before if something else does. */
  lookAgainIn(ms: number): void {
    this.requeueAfterMs = Math.min(this.requeueAfterMs ?? ms, ms);
  }

  get hasWrites(): boolean {
    return this.#ops.size > 0;
  }

  finish(): Decision {
    return {
      // Guards only matter to what they guard.
      compares: this.hasWrites ? [...this.#compares.values()] : [],
      ops: [...this.#ops.values()],
      events: this.#events,
      isProgress: this.isProgress,
      requeueAfterMs: this.requeueAfterMs,
      placements: this.#placements,
      takesPort: this.takesPort,
      startsRollout: this.startsRollout,
      moves: this.moves,
      waitsForRoom: this.waitsForRoom,
      waitsForRoute: this.waitsForRoute,
    };
  }
}
