import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where this machine keeps what is ours: as root in /var/lib, else where the desktop world wants it. */
export function defaultDataDir(part: string, env: Readonly<Record<string, string | undefined>>): string {
  if (process.getuid?.() === 0) return join('/var/lib/pgherd', part);
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local/share'), 'pgherd', part);
}
