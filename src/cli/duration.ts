import { bad, good, type Parsed } from '../schema/parsed.ts';

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `5m`, `2h`, or plain seconds, as milliseconds. */
export function parseDurationMs(text: string): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  const unitMs = units[match?.[2] ?? 's'];
  if (!match || unitMs === undefined)
    return bad(`${JSON.stringify(text)} is not a duration: use for example 90s or 5m`);
  return good(Number(match[1]) * unitMs);
}

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
