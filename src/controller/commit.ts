import type { Compare, KeyValue, Op, Store } from '../store/store.ts';
import type { Decision } from './decide/decision.ts';

/** This controller leads no more: whatever it wants to write is refused, by the store. */
export class DeposedError extends Error {
  override readonly name = 'DeposedError';
  readonly code = 'deposed';
}

/** What became of a decision: the revision at which all of it was done, or nothing of it because the view was old. */
export type Outcome = { readonly committed: true; readonly revision: bigint } | { readonly committed: false };

/**
 * Does what was decided in one transaction, if nothing it was decided from has changed and this controller still leads.
 * Rejects when the store was not reached: then it may or may not be done.
 */
export async function commit(
  store: Store,
  fence: Compare,
  { compares, ops }: Pick<Decision, 'compares' | 'ops'>,
  signal: AbortSignal,
): Promise<Outcome> {
  const who: Op = { type: 'get', key: fence.key };
  const { succeeded, revision, reads } = await store.txn(
    { if: [fence, ...compares], then: ops, else: [who] },
    { signal },
  );
  if (succeeded) return { committed: true, revision };
  refuseDeposed(fence, reads[0]);
  return { committed: false };
}

/** Throws if the leader's key, as a transaction that failed has read it, is not this controller's any more. */
export function refuseDeposed(fence: Compare, present: KeyValue | undefined): void {
  if (fence.target === 'create' && present?.createRevision !== fence.value) {
    throw new DeposedError(`write as leader: ${fence.key} is held by ${present?.value ?? 'nobody'}`);
  }
}
