import type { LeaseGrantRequest, LeaseStatus } from '../messages.ts';
import type { Draft } from '../mvcc/draft.ts';
import type { GroupCommit } from '../mvcc/group-commit.ts';
import { refusals } from '../mvcc/refusals.ts';

/** etcd's bounds, in seconds. The lower one is what its default election timeout makes of it. */
const minTtl = 2n;
const maxTtl = 9_000_000_000n;

/** What can be done with leases, wherever their time passes. */
export interface Lessor {
  /** Takes up the leases that the engine has kept. */
  load(): Promise<void>;
  grant(request: LeaseGrantRequest): Promise<{ readonly id: bigint; readonly ttl: bigint }>;
  revoke(id: bigint): Promise<{ readonly revision: bigint }>;
  keepAlive(id: bigint): Promise<bigint>;
  timeToLive(id: bigint, withKeys: boolean): Promise<LeaseStatus>;
  /** The one that ends first comes first. */
  list(): Promise<readonly bigint[]>;
  /** Ends leases whose time is over, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Writes a new lease down. */
export async function grantLease(
  commits: GroupCommit,
  newId: () => bigint,
  { id: wanted, ttl: wantedTtl }: LeaseGrantRequest,
): Promise<{ readonly id: bigint; readonly ttl: bigint }> {
  if (wantedTtl > maxTtl) throw refusals.leaseTtlTooLarge();
  const ttl = wantedTtl < minTtl ? minTtl : wantedTtl;
  let id = wanted;
  while (id === 0n) id = newId();
  await commits.submit({
    needs: (needs) => needs.lease(id),
    decide: (draft) => {
      if (draft.lease(id)) throw refusals.leaseExists();
      draft.putLease({ id, ttl, remainingMs: Number(ttl) * 1000 });
    },
  });
  return { id, ttl };
}

/** Deletes a lease and its keys, in one revision and in key order. */
export function revokeLease(commits: GroupCommit, id: bigint): Promise<{ readonly revision: bigint }> {
  return commits.submit({
    needs: (needs) => needs.leaseWithKeys(id),
    decide: (draft) => {
      if (!draft.lease(id)) throw refusals.leaseNotFound();
      endLease(draft, id);
      return { revision: draft.revision };
    },
  });
}

/** The decision of `revokeLease`. */
export function endLease(draft: Draft, id: bigint): void {
  for (const key of draft.keysOf(id)) {
    const kv = draft.get(key);
    if (kv) draft.delete(kv);
  }
  draft.removeLease(id);
}
