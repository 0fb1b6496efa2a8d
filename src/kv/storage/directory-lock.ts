import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** Another server works in this directory. */
export class DirectoryInUseError extends Error {
  readonly code = 'directory-in-use';

  constructor(directory: string) {
    super(`data directory ${directory} is in use by another kv server`);
    this.name = 'DirectoryInUseError';
  }
}

/**
 * Locks a directory until the returned function is called or this process ends, however it ends. Node has no flock; but
 * a lock belongs to the open file, which a child that inherits it can lock on our behalf.
 */
export function lockDirectory(directory: string): () => void {
  const file = openSync(join(directory, 'lock'), 'a', 0o600);
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  if (status === 0) return () => closeSync(file);
  closeSync(file);
  if (error) throw new Error(`cannot run flock to lock ${directory}`, { cause: error });
  throw new DirectoryInUseError(directory);
}
