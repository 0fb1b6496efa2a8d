import { setImmediate } from 'node:timers/promises';
import { type Clock, sleepOn } from '../../src/time/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock whose time passes only when the simulation says so, and whose wall can be set by somebody. */
export class SimClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #startMs = Date.UTC(2026, 0, 1);
  #elapsedMs = 0;
  #jumpedMs = 0;

  now(): number {
    return this.#startMs + this.#elapsedMs + this.#jumpedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  /** Somebody sets the clock of the machine. */
  jump(ms: number): void {
    this.#jumpedMs += ms;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#elapsedMs + Math.max(0, ms), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** Lets `ms` pass; whatever follows from one moment is over before the next comes. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (;;) {
      let next = Infinity;
      for (const { atMs } of this.#timers) if (atMs < next) next = atMs;
      if (next > untilMs) break;
      this.#elapsedMs = Math.max(this.#elapsedMs, next);
      for (const timer of [...this.#timers]) {
        // One that fires may cancel another of the same moment.
        if (timer.atMs <= next && this.#timers.delete(timer)) timer.callback();
      }
      await settle();
    }
    this.#elapsedMs = untilMs;
  }
}

// Nothing here waits for the machine: all promises of a moment are settled within a turn or two of the event loop.
async function settle(): Promise<void> {
  await setImmediate();
  await setImmediate();
}
