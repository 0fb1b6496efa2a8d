import { access, constants, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { checkReach, nodeUser } from '../../cell/runtime/process/command-line.ts';
import { Failure } from '../failure.ts';

/** Makes the directory of a herd ready, and its path absolute. */
export async function prepareDataDir(path: string, runtime: 'process' | 'simulated'): Promise<string> {
  const dataDir = resolve(path);
  try {
    await mkdir(join(dataDir, 'log'), { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new Failure(`cannot write to the data directory ${dataDir}: give --data-dir another one`, { cause });
  }
  // Databases never run as root; the user they run as must get to their data.
  if (runtime === 'process') await checkReach(dataDir, nodeUser());
  return dataDir;
}
