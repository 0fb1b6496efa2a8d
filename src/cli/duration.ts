export { parseDurationMs } from '../schema/duration.ts';

/** A duration as tables show it, in its largest unit: `42s`, `5m`, `3h`, `12d`. */
export function printDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** How long ago an ISO time was; `-` when it is not a time. */
export function printAge(isoTime: string | undefined, nowMs: number): string {
  const then = Date.parse(isoTime ?? '');
  return Number.isNaN(then) ? '-' : printDuration(nowMs - then);
}
