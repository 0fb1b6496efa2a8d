import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { HerdMemory } from './memory.ts';

/** What keeps the keys of a herd on one machine. */
export type StoreChoice = 'embedded' | 'etcd';

export const storeChoices: readonly StoreChoice[] = ['embedded', 'etcd'];

/** A herd stays where its keys are; a new one takes what was asked for, or needs nothing to be installed. */
export function storeOf(dataDir: string, memory: HerdMemory | undefined, asked: StoreChoice | undefined): StoreChoice {
  const kept = memory ? (memory.store ?? 'etcd') : existsSync(join(dataDir, 'etcd')) ? 'etcd' : undefined;
  if (kept !== undefined && asked !== undefined && kept !== asked) {
    throw new Failure(
      `the keys of the herd in ${dataDir} are kept by --store ${kept}: leave --store out, or give --data-dir another directory`,
    );
  }
  return kept ?? asked ?? 'embedded';
}
