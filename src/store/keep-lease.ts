import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { Lease } from './store.ts';
import { StoreError } from './store-error.ts';

export interface KeepLeaseOptions {
  readonly clock: Clock;
  readonly ttlSeconds: number;
  readonly obtain: (signal: AbortSignal) => Promise<Lease>;
  /** What becomes of a lease that is not held any more, or was not needed. */
  readonly letGo: (lease: Lease) => Promise<void>;
  /** Something failed, or the lease was lost: it is tried again. */
  readonly onTrouble: (error: unknown) => void;
}

const retriesPerInterval = 10;

/** How long to wait after failures: at first a tenth of the time between two keep-alives. */
export function leaseBackoff(ttlSeconds: number): Backoff {
  const intervalMs = (ttlSeconds * 1000) / 4;
  return new Backoff({ baseMs: intervalMs / retriesPerInterval, capMs: intervalMs });
}

/**
 * Holds a lease until `signal` aborts: what hangs on it vanishes with the process. Calls `hold` with each lease; the
 * signal that it gets aborts when the lease is lost or `signal` aborts. When the lease is lost, or `hold` fails, there
 * is a new one.
 */
export async function keepLease(
  options: KeepLeaseOptions,
  signal: AbortSignal,
  hold: (lease: Lease, held: AbortSignal) => Promise<void>,
): Promise<void> {
  const { clock, ttlSeconds, obtain, letGo, onTrouble } = options;
  const backoff = leaseBackoff(ttlSeconds);
  while (!signal.aborted) {
    try {
      const lease = await obtain(signal);
      try {
        await holdUntilLost(lease, signal, hold, () => backoff.reset());
      } finally {
        await letGo(lease);
      }
      if (!signal.aborted) onTrouble(lease.lost.reason ?? new StoreError('lease-lost', `lease ${lease.id} is gone`));
    } catch (error) {
      if (signal.aborted) return;
      onTrouble(error);
      await clock.sleep(backoff.next(), signal).catch(() => {});
    }
  }
}

/** Resolves when the lease is lost or the signal aborted, and `hold` has returned. */
async function holdUntilLost(
  lease: Lease,
  signal: AbortSignal,
  hold: (lease: Lease, held: AbortSignal) => Promise<void>,
  onHeld: () => void,
): Promise<void> {
  const holding = new AbortController();
  const ended = new Promise<void>((resolve) => {
    holding.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const onStop = () => holding.abort(signal.reason);
  const onLost = () => holding.abort(lease.lost.reason);
  signal.addEventListener('abort', onStop, { once: true });
  lease.lost.addEventListener('abort', onLost, { once: true });
  if (signal.aborted) onStop();
  if (lease.lost.aborted) onLost();
  try {
    await hold(lease, holding.signal);
    onHeld();
    await ended;
  } catch (error) {
    // A call that was cut off by the end of the lease is not a failure of its own.
    if (!holding.signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', onStop);
    lease.lost.removeEventListener('abort', onLost);
  }
}
