import { parseDurationMs } from './duration.ts';
import { usageFailure } from './failure.ts';

/** Reads the value of an option that is a duration, in milliseconds. */
export function durationOf(option: string, text: string): number {
  const duration = parseDurationMs(text);
  if (!duration.ok) throw usageFailure(`${option}: ${duration.problem}`);
  return duration.value;
}
