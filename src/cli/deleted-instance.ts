import { deletionKey } from '../schema/deletion.ts';
import { desiredStateKey } from '../schema/desired-state.ts';
import type { InstanceId } from '../schema/ids.ts';
import { type ObservedState, stateKey } from '../schema/observed-state.ts';
import type { Op, Store } from '../store/store.ts';
import { Failure } from './failure.ts';
import { type InstanceKeys, noInstance, readInstance } from './instance.ts';

/** The state of an instance whose document is gone and that can still be restored; fails with why not otherwise. */
export async function readDeleted(store: Store, id: InstanceId, signal: AbortSignal): Promise<ObservedState> {
  const instance = await readInstance(store, id, signal);
  if (instance.document) throw new Failure(`instance ${id} is not deleted: its document is there`);
  if (!instance.state) throw await noInstance(store, id, signal);
  if (!instance.state.ok) throw new Failure(`the state of instance ${id} cannot be read: ${instance.state.problem}`);
  if (instance.state.value.deleting) throw new Failure(`the data of instance ${id} are being erased already`);
  return instance.state.value;
}

/** Does `ops` if nobody has put the document back or finished the deletion meanwhile. */
export async function whileDeleted(store: Store, id: InstanceId, ops: readonly Op[], signal: AbortSignal) {
  const { succeeded } = await store.txn(
    {
      if: [
        { key: desiredStateKey(id), target: 'create', op: '=', value: 0n },
        { key: stateKey(id), target: 'create', op: '>', value: 0n },
      ],
      then: ops,
    },
    { signal },
  );
  if (!succeeded) throw new Failure(`nothing was done: somebody changed instance ${id} meanwhile; look again`);
}

/** What tells the controller to go on with the deletion of an instance, or to erase it now. */
export const deletionOrder = (id: InstanceId, order: { readonly confirmed: true; readonly purge?: true }): Op => ({
  type: 'put',
  key: deletionKey(id),
  value: JSON.stringify(order),
});

/** Whether the instance is gone, or all its nodes are stopped and everything is kept. */
export const isStoppedOrGone = ({ document, state }: InstanceKeys): boolean =>
  !document &&
  (!state || (state.ok && state.value.conditions.some(({ type, reason }) => type === 'Deleting' && reason === 'Kept')));
