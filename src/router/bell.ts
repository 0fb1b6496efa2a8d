import type { Clock } from '../time/clock.ts';

/** Wakes the one who waits for it; a ring that nobody waits for is remembered, many are one. */
export class Bell {
  #isRung = false;
  #wake = () => {};

  ring(): void {
    this.#isRung = true;
    this.#wake();
  }

  /** Resolves once it was rung since the last wait, when the signal aborts, or after `timeout`. */
  async wait(signal: AbortSignal, timeout?: { readonly clock: Clock; readonly ms: number }): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        signal.addEventListener('abort', this.#onAbort, { once: true });
        if (timeout) this.#cancel = timeout.clock.after(timeout.ms, resolve);
      });
      this.#wake = () => {};
      this.#cancel();
      signal.removeEventListener('abort', this.#onAbort);
    }
    this.#isRung = false;
  }

  #cancel = () => {};
  readonly #onAbort = () => this.#wake();
}
