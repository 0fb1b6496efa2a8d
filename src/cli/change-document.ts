import { desiredStateKey } from '../schema/desired-state.ts';
import type { InstanceId } from '../schema/ids.ts';
import type { Store } from '../store/store.ts';
import { Failure } from './failure.ts';
import { type InstanceKeys, noInstance, readInstance } from './instance.ts';

/**
 * Replaces the document of an instance by what `change` makes of it, unless somebody else changes it at the same moment;
 * resolves with whether that was anything new.
 */
export async function changeDocument(
  store: Store,
  id: InstanceId,
  change: (document: string, instance: InstanceKeys) => string,
  signal: AbortSignal,
): Promise<boolean> {
  const instance = await readInstance(store, id, signal);
  const { document, state } = instance;
  if (!document && state) throw new Failure(`instance ${id} is deleted: put it back with \`pgherd undelete ${id}\``);
  if (!document) throw await noInstance(store, id, signal);
  const value = change(document.value, instance);
  if (value === document.value) return false;
  const key = desiredStateKey(id);
  const { succeeded } = await store.txn(
    { if: [{ key, target: 'mod', op: '=', value: document.modRevision }], then: [{ type: 'put', key, value }] },
    { signal },
  );
  if (!succeeded) throw new Failure(`instance ${id} was not changed: somebody else changed it meanwhile; look again`);
  return true;
}
