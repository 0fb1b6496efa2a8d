import { spawnSync } from 'node:child_process';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.ts';

/** Makes sure that nobody else runs a herd on this directory, for as long as this process lives. */
export function lockHerd(dataDir: string): void {
  const file = openSync(join(dataDir, 'lock'), 'a', 0o600);
  // Node has no flock; but a lock belongs to the open file, which a child that inherits it can lock for us.
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  if (error) throw new Failure(`cannot run flock to lock ${dataDir}`, { cause: error });
  if (status !== 0) {
    throw new Failure(`another \`pgherd up\` runs on ${dataDir}: use that one, or give --data-dir another directory`);
  }
}
