import { type AuthParts, auth } from './auth.ts';
import { cluster, type Member } from './cluster.ts';
import { compact } from './compact.ts';
import { deleteRange } from './delete-range.ts';
import { health } from './health.ts';
import { leases } from './lease.ts';
import { leaseKeepAlive } from './lease-keep-alive.ts';
import { maintenance } from './maintenance.ts';
import type { Method } from './method.ts';
import { put } from './put.ts';
import { range } from './range.ts';
import { snapshot } from './snapshot.ts';
import { txn } from './txn.ts';
import { watch } from './watch.ts';

/** Everything that is served, by its path in gRPC. */
export function methodsOf(parts: AuthParts, member: () => Member): ReadonlyMap<string, Method> {
  const all: readonly Method[] = [
    range(parts),
    put(parts),
    deleteRange(parts),
    txn(parts),
    compact(parts),
    watch(parts),
    ...leases(parts),
    leaseKeepAlive(parts),
    ...auth(parts),
    ...cluster(parts, member),
    ...maintenance(parts),
    snapshot(parts),
    ...health,
  ];
  return new Map(all.map((each) => [each.path, each]));
}
