import { randomBytes } from 'node:crypto';
import type { Clock } from '../time/clock.ts';
import type { Backend } from './backend.ts';
import { LocalLessor } from './lease/local-lessor.ts';
import { SharedLessor } from './lease/shared-lessor.ts';
import { type AutoCompaction, Compactor } from './mvcc/compactor.ts';
import { GroupCommit } from './mvcc/group-commit.ts';
import { MvccBackend } from './mvcc/mvcc-backend.ts';
import { Quota } from './mvcc/quota.ts';
import { readSnapshot } from './mvcc/snapshot.ts';
import type { StorageEngine } from './storage/engine.ts';
import { type EngineName, type EngineOptions, engines } from './storage/engines.ts';
import { WatchHub } from './watch/watch-hub.ts';

/** etcd's default. */
export const defaultQuotaBytes = 2 * 1024 ** 3;

export interface BackendOptions {
  readonly engine: EngineName;
  /** Data directory, of engines that keep files. */
  readonly directory?: string;
  /** Of the database, of engines that have one. */
  readonly url?: string;
  readonly clusterFile?: string;
  readonly clock: Clock;
  readonly quotaBytes?: number;
  /** Called when a write was refused because the quota is used up: the moment to raise the NOSPACE alarm. */
  readonly onQuotaExceeded?: () => void;
  readonly autoCompaction?: AutoCompaction;
  /** Told of what went wrong where nobody waits for an answer. */
  readonly onFailure?: (error: unknown) => void;
  /** Where lease ids come from. */
  readonly newLeaseId?: () => bigint;
}

/** Opens a store, and makes it if there is none. `run` of what it returns does the work that nobody asks for. */
export async function openBackend(options: BackendOptions): Promise<Backend> {
  return backendOn(await openEngine(options), options);
}

/** The same on an engine that is open. */
export async function backendOn(engine: StorageEngine, options: Omit<BackendOptions, 'engine'>): Promise<Backend> {
  const { clock, quotaBytes = defaultQuotaBytes, autoCompaction = { mode: 'off' } } = options;
  const onFailure = options.onFailure ?? (() => {});
  const hub = new WatchHub(engine, clock, onFailure);
  const commits = new GroupCommit(engine, (batch) => hub.publish(batch));
  engine.shared?.onAdvance((revision) => hub.pull(revision));
  const newId = options.newLeaseId ?? randomId;
  const lessor = engine.shared
    ? new SharedLessor({ engine, shared: engine.shared, commits, clock, newId })
    : new LocalLessor({ engine, commits, clock, newId });
  await lessor.load();
  const compactor = new Compactor({ engine, commits, clock, auto: autoCompaction });
  const quota = new Quota(engine, quotaBytes, options.onQuotaExceeded ?? (() => {}));
  return new MvccBackend({ engine, commits, hub, lessor, compactor, quota });
}

/** The store that is restored into is not empty. */
export class NotEmptyError extends Error {
  readonly code = 'not-empty';

  constructor() {
    super('a snapshot can only be restored into an empty store, and there is data in this one');
    this.name = 'NotEmptyError';
  }
}

/** Reads a snapshot into an empty store and closes it. If this throws, what it wrote must not be used. */
export async function restore(
  options: EngineOptions & { readonly engine: EngineName },
  snapshot: AsyncIterable<Uint8Array>,
): Promise<bigint> {
  const engine = await openEngine(options);
  try {
    if (engine.revision > 1n || (await engine.leases()).length) throw new NotEmptyError();
    const needs = () => ({ keys: [], scans: [], leases: [], keysOf: [], meta: [] });
    for await (const batch of readSnapshot(snapshot)) await engine.write(needs, () => batch);
    return engine.revision;
  } finally {
    await engine.close();
  }
}

async function openEngine(options: EngineOptions & { readonly engine: EngineName }) {
  const open = await engines[options.engine]();
  return open(options);
}

function randomId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}
