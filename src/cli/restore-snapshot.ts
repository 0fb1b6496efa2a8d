import { randomUUID } from 'node:crypto';
import { parseCredentialsKey } from '../schema/credentials.ts';
import { instanceOfDesiredStateKey } from '../schema/desired-state.ts';
import { parseFenceKey } from '../schema/fence.ts';
import type { InstanceId } from '../schema/ids.ts';
import { parseObservedState } from '../schema/observed-state.ts';
import { parseScopeKey } from '../schema/patroni.ts';
import { parseRestoration, type Restoration, restorationKey, restoredKey } from '../schema/restoration.ts';
import { nextPortKey } from '../schema/routing.ts';
import type { Snapshot } from '../schema/snapshot.ts';
import { type KeyValue, maxTxnOps, type Op, type Store, type WriteOp } from '../store/store.ts';

/** Ports that may have been handed out since the snapshot was taken are not handed out again. */
const portsToSkip = 100;

/** Why this snapshot must not be restored into a store that holds these pairs; undefined when it may. */
export function restoreProblem(snapshot: Snapshot, present: readonly KeyValue[]): string | undefined {
  const restoration = present.find(({ key }) => key === restorationKey);
  const before = restoration && parseRestoration(restoration.value);
  // It was interrupted: whatever it has written is written no second time.
  if (before?.ok && before.value.snapshot === snapshot.id && !before.value.finished) return undefined;
  const ours = present.filter(({ key }) => isOurs(key));
  if (ours.length > 0) {
    return `the store is not empty: it holds ${ours.length} keys of instances, as ${ours[0]?.key}; restore into a new store`;
  }
  const cells = present.flatMap(({ key }) => /^\/cells\/registered\/(.+)$/.exec(key)?.[1] ?? []);
  if (cells.length > 0 && snapshot.cells.length > 0 && !cells.some((cell) => snapshot.cells.includes(cell))) {
    return `the snapshot is of another herd: it knows ${snapshot.cells.join(', ')}, here are ${cells.join(', ')}`;
  }
  return undefined;
}

const isOurs = (key: string): boolean =>
  /^\/serviceinstances\/|^\/routing\/(?:allocation|ports)\/|^\/service\/[^/]+\/state$/.test(key);

/** Writes a snapshot into an empty store, the documents last; what is there already stays as it is. */
export async function restoreSnapshot(
  store: Store,
  snapshot: Snapshot,
  nowIso: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const restoration: Restoration = {
    id: randomUUID(),
    at: nowIso,
    snapshot: snapshot.id,
    replaces: snapshot.cluster,
    finished: false,
  };
  const write = (ops: readonly Op[]) => store.txn({ if: [], then: ops }, { signal });
  await write([create(restorationKey, JSON.stringify(restoration))]);
  const last: Record<string, WriteOp[]> = {};
  const first: Op[] = [];
  for (const { key, value } of snapshot.keys) {
    const scope = parseScopeKey(key);
    const id = instanceOfDesiredStateKey(key) ?? (scope?.rest === 'state' ? scope.instance : undefined);
    if (id) {
      last[id] ??= [];
      last[id]?.push({ type: 'put', key, value: scope ? withoutDeletion(value) : value });
    } else if (key === nextPortKey) {
      const next = Number(value) + portsToSkip;
      first.push({ type: 'put', key, value: String(next > 65_535 ? Number(value) : next) });
    } else first.push(create(key, value));
  }
  for (let at = 0; at < first.length; at += maxTxnOps / 2) await write(first.slice(at, at + maxTxnOps / 2));
  // In one transaction each: nobody may see a document without the mark that its nodes are somewhere.
  for (const [id, ops] of Object.entries(last)) {
    const nodes = snapshot.placements[id] ?? [];
    const mark: WriteOp = { type: 'put', key: restoredKey(id as InstanceId), value: JSON.stringify({ nodes }) };
    const isAbsent = ops.map(({ type, ...op }) => ({
      key: type === 'put' && 'key' in op ? op.key : '',
      target: 'create' as const,
      op: '=' as const,
      value: 0n,
    }));
    await store.txn({ if: isAbsent, then: [...ops, mark] }, { signal });
  }
  return Object.keys(last).sort();
}

const create = (key: string, value: string): Op => ({
  type: 'when',
  if: [{ key, target: 'create', op: '=', value: 0n }],
  then: [{ type: 'put', key, value }],
});

// A grace that ended since then must not erase anything at once: it begins anew.
function withoutDeletion(text: string): string {
  const state = parseObservedState(text);
  if (!state.ok) return text;
  const { deleted: _, deleting: __, rollout: ___, ...rest } = state.value;
  return JSON.stringify(rest);
}

/** How many keys of which kind a snapshot holds, for people. */
export function describeSnapshot({ keys, at, cluster, cells }: Snapshot): string {
  const count = (is: (key: string) => unknown) => keys.filter(({ key }) => is(key)).length;
  return [
    `taken ${at} of store ${cluster}`,
    `${count(instanceOfDesiredStateKey)} documents`,
    `${count(parseCredentialsKey)} credentials`,
    `${count((key) => key.startsWith('/routing/allocation/'))} ports`,
    `${count(parseFenceKey)} fences`,
    `cells ${cells.join(', ') || 'none'}`,
  ].join(', ');
}
