import type { Clock } from '../../time/clock.ts';
import type { StorageEngine } from './engine.ts';

/** What an engine may want to know; each says so if what it needs is missing. */
export interface EngineOptions {
  /** Where data is kept on this machine. */
  readonly directory?: string | undefined;
  /** Where a database is. */
  readonly url?: string | undefined;
  /** How FoundationDB is found; default: its client's own. */
  readonly clusterFile?: string | undefined;
  readonly clock: Clock;
}

/** Opens the engine, and the store in it if there is none yet. */
export type OpenEngine = (options: EngineOptions) => Promise<StorageEngine>;

export type EngineName = 'lmdb' | 'memory' | 'postgres' | 'foundationdb';

/** Every engine, loaded when it is asked for: the packages of the others need not be there. */
export const engines: Readonly<Record<EngineName, () => Promise<OpenEngine>>> = {
  lmdb: async () => (await import('./lmdb.ts')).openLmdbEngine,
  memory: async () => (await import('./memory.ts')).openMemoryEngine,
  foundationdb: async () => (await import('./foundationdb.ts')).openFoundationDbEngine,
  postgres: async () => (await import('./postgres.ts')).openPostgresEngine,
};
