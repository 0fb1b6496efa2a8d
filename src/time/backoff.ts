/** How long to wait before the next try: doubles from `baseMs` to `capMs`, each wait jittered. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** Share of the wait that is random, 0 to 1: 0.5 waits between half and the whole of it. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Exponential back-off with jitter, one per thing that is retried. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = { jitter: 0.5, random: Math.random, ...options };
  }

  /** Counts a failure and returns the milliseconds to wait before the next try. */
  next(): number {
    const { baseMs, capMs, jitter, random } = this.#options;
    const wait = Math.min(capMs, baseMs * 2 ** Math.min(this.#failures, 40));
    this.#failures += 1;
    return wait * (1 - jitter * random());
  }

  /** Forgets all failures: call after a success. */
  reset(): void {
    this.#failures = 0;
  }
}
