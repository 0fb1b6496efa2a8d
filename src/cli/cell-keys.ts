import { assignmentsPrefix } from '../schema/assignment.ts';
import {
  cellsPrefix,
  type Maintenance,
  maintenanceKey,
  maintenancePrefix,
  parseMaintenance,
  registeredPrefix,
} from '../schema/cell.ts';
import { cellHealthPrefix } from '../schema/cell-health.ts';
import type { CellId } from '../schema/ids.ts';
import { observedPrefix } from '../schema/observed-node.ts';
import { type KeyValue, prefixRange, type Store } from '../store/store.ts';
import { Failure } from './failure.ts';
import { didYouMean } from './similar.ts';

/** What a command needs to know of a cell before it changes what operators say about it. */
export interface CellKeys {
  readonly isRegistered: boolean;
  readonly maintenance: Maintenance | undefined;
  readonly maintenanceRevision: bigint;
}

/** Looks at one cell; fails with the nearest name when no key speaks of it. */
export async function readCell(store: Store, id: CellId, signal: AbortSignal): Promise<CellKeys> {
  const { kvs } = await store.list(prefixRange(cellsPrefix), { signal });
  const known = new Set(kvs.flatMap(({ key }) => cellOf(key) ?? []));
  if (!known.has(id)) throw new Failure(`no cell ${JSON.stringify(id)}.${didYouMean(id, known)}`);
  const maintenance: KeyValue | undefined = kvs.find(({ key }) => key === maintenanceKey(id));
  const said = maintenance && parseMaintenance(maintenance.value);
  return {
    isRegistered: kvs.some(({ key }) => key === `${registeredPrefix}${id}`),
    maintenance: said?.ok ? said.value : undefined,
    maintenanceRevision: maintenance?.modRevision ?? 0n,
  };
}

// What operators say about a cell does not make it one.
function cellOf(key: string): string | undefined {
  for (const prefix of [registeredPrefix, cellHealthPrefix, assignmentsPrefix, observedPrefix]) {
    if (key.startsWith(prefix)) return key.slice(prefix.length).split('/')[0];
  }
  return undefined;
}

/** Says of a cell what operators want, if nobody said anything else meanwhile. */
export async function putMaintenance(
  store: Store,
  id: CellId,
  { maintenanceRevision }: CellKeys,
  maintenance: Maintenance | undefined,
  signal: AbortSignal,
): Promise<void> {
  const key = maintenanceKey(id);
  const { succeeded } = await store.txn(
    {
      if: [{ key, target: 'mod', op: '=', value: maintenanceRevision }],
      then: [maintenance ? { type: 'put', key, value: JSON.stringify(maintenance) } : { type: 'delete', key }],
    },
    { signal },
  );
  if (!succeeded)
    throw new Failure(`somebody else changed ${maintenancePrefix}${id} at this moment: look, and try again`);
}
