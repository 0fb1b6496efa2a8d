import { createLogger, type Logger } from '../engine/logger.ts';
import type { GlobalOptions } from './global-options.ts';
import type { World } from './world.ts';

/** The logger of a daemon. */
export function daemonLogger(world: World, { logLevel, logFormat }: GlobalOptions): Logger {
  const format = logFormat ?? (world.stderr.isTTY ? 'text' : 'json');
  return createLogger({ level: logLevel, format, destination: world.stderr });
}

/** The logger of a command that answers and ends: it speaks up only when something is wrong. */
export function commandLogger(world: World, { logLevel }: GlobalOptions): Logger {
  const level = logLevel === 'info' ? 'warn' : logLevel;
  return createLogger({ level, format: 'text', destination: world.stderr });
}
