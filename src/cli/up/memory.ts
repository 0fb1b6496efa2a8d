import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { EtcdPorts } from './etcd.ts';
import type { StoreChoice } from './store-choice.ts';

/** What a herd on this machine remembers from one `up` to the next. */
export interface HerdMemory {
  /** Of the store, whichever it is. */
  readonly etcd: EtcdPorts;
  /** What keeps the keys; herds that are older than the choice have an etcd. */
  readonly store?: StoreChoice;
  /** The example was applied once; who deletes it does not get it back. */
  readonly example: boolean;
}

const fileName = 'up.json';

export function recall(dataDir: string): HerdMemory | undefined {
  const file = join(dataDir, fileName);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as HerdMemory;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Failure(`cannot read ${file}; remove it to choose new ports`, { cause });
  }
}

export function remember(dataDir: string, memory: HerdMemory): void {
  const file = join(dataDir, fileName);
  writeFileSync(`${file}.new`, `${JSON.stringify(memory)}\n`);
  renameSync(`${file}.new`, file);
}
