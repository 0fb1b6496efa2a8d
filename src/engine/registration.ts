import type { Lease, Store } from '../store/store.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import { aborted } from './aborted.ts';
import type { Logger } from './logger.ts';
import { releaseLease } from './release-lease.ts';

export interface RegistrationOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ttlSeconds?: number;
}

/** Keeps a lease for as long as the process lives: what a daemon says of itself hangs on it, and vanishes with it. */
export class Registration {
  readonly #options: RegistrationOptions;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /**
   * Obtains a lease and calls `hold` with it; its signal aborts when the lease is lost or `signal` aborts. When the
   * lease is lost, or `hold` fails, it does so again with a new one. Revokes the lease at the end.
   */
  async run(signal: AbortSignal, hold: (lease: Lease, signal: AbortSignal) => Promise<void>): Promise<void> {
    const { store, clock, logger, ttlSeconds = 15 } = this.#options;
    const backoff = new Backoff({ baseMs: 500, capMs: 10_000 });
    while (!signal.aborted) {
      try {
        const lease = await store.lease(ttlSeconds, { signal });
        try {
          await holdUntilLost(lease, signal, hold, () => backoff.reset());
        } finally {
          await releaseLease(lease, clock, logger);
        }
        if (!signal.aborted) logger.warn({ lease: lease.id.toString() }, 'lease lost');
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = backoff.next();
        logger.warn({ err: error, waitMs: Math.round(waitMs) }, 'registration failed');
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }
}

/** Resolves when the lease is lost or the signal aborted, and `hold` has returned. */
async function holdUntilLost(
  lease: Lease,
  signal: AbortSignal,
  hold: (lease: Lease, signal: AbortSignal) => Promise<void>,
  onHeld: () => void,
): Promise<void> {
  const holding = new AbortController();
  const onStop = () => holding.abort(signal.reason);
  const onLost = () => holding.abort(lease.lost.reason);
  signal.addEventListener('abort', onStop, { once: true });
  lease.lost.addEventListener('abort', onLost, { once: true });
  if (signal.aborted) onStop();
  if (lease.lost.aborted) onLost();
  try {
    await hold(lease, holding.signal);
    onHeld();
    await aborted(holding.signal);
  } catch (error) {
    // A call that was cut off by the end of the lease is not a failure of its own.
    if (!holding.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onStop);
    lease.lost.removeEventListener('abort', onLost);
  }
}
