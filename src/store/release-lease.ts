import type { Clock } from '../time/clock.ts';
import type { Lease } from './store.ts';

const withinMs = 2_000;

/** Takes the keys of a lease back at once, if the store answers in time; if not, they vanish when the lease runs out. */
export async function releaseLease(lease: Lease, clock: Clock, onTrouble: (error: unknown) => void): Promise<void> {
  if (lease.lost.aborted) return lease.abandon();
  const limit = new AbortController();
  const cancel = clock.after(withinMs, () => limit.abort(new Error(`no answer within ${withinMs} ms`)));
  try {
    await lease.revoke({ signal: limit.signal });
  } catch (error) {
    lease.abandon();
    onTrouble(error);
  } finally {
    cancel();
  }
}
