import type { Clock } from '../../time/clock.ts';

const everyMs = 10_000;
const least = 5;

/**
 * Bounds how fast nodes of lost and draining cells are replaced: as many at once as there are cells to take them, and as
 * many again every ten seconds. Base backups of a whole machine would otherwise all begin in the same second.
 */
export class MoveBudget {
  readonly #clock: Clock;
  #left: number | undefined;
  #filledMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many nodes may begin to move now, in a fleet of so many cells. */
  left(cells: number): number {
    const most = Math.max(least, cells);
    const nowMs = this.#clock.monotonic();
    const gained = ((nowMs - this.#filledMs) * most) / everyMs;
    this.#left = this.#left === undefined ? most : Math.min(most, this.#left + gained);
    this.#filledMs = nowMs;
    return Math.floor(this.#left);
  }

  /** Counts moves that are about to begin. */
  take(moves: number): void {
    if (this.#left !== undefined) this.#left -= moves;
  }
}
