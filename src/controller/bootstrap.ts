import { type Catalog, catalogKey } from '../schema/catalog.ts';
import { nextPortKey } from '../schema/routing.ts';
import type { Compare, Store } from '../store/store.ts';
import { commit } from './commit.ts';
import type { Herd } from './view/herd.ts';
import type { Informers } from './view/informers.ts';

/** What a new leader sees to before its first pass: the first next port, and the catalog for all to read. */
export async function bootstrap(
  store: Store,
  fence: Compare,
  herd: Herd,
  informers: Informers,
  signal: AbortSignal,
): Promise<void> {
  await createNextPort(store, fence, herd, informers, signal);
  await publishCatalog(store, fence, herd.settings.catalog, signal);
}

// Only when it is absent: one that cannot be read is somebody's to restore, and says so in the conditions.
async function createNextPort(
  store: Store,
  fence: Compare,
  herd: Herd,
  informers: Informers,
  signal: AbortSignal,
): Promise<void> {
  if (herd.nextPort) return;
  const { portRange } = herd.settings;
  const highest = herd.ports.highest(portRange) ?? portRange.last;
  const value = String(highest >= portRange.last ? portRange.first : highest + 1);
  const outcome = await commit(
    store,
    fence,
    {
      compares: [{ key: nextPortKey, target: 'create', op: '=', value: 0n }],
      ops: [{ type: 'put', key: nextPortKey, value }],
    },
    signal,
  );
  if (outcome.committed) await informers.reached([nextPortKey], outcome.revision, signal);
}

async function publishCatalog(store: Store, fence: Compare, catalog: Catalog, signal: AbortSignal): Promise<void> {
  const value = JSON.stringify(catalog);
  const { kv } = await store.get(catalogKey, { signal });
  if (kv?.value === value) return;
  await commit(store, fence, { compares: [], ops: [{ type: 'put', key: catalogKey, value }] }, signal);
}
