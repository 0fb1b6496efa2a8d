import { bad, good, type Parsed } from './parsed.ts';

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `90s`, `5m`, `2h`, or plain seconds, as milliseconds. */
export function parseDurationMs(text: string): Parsed<number> {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text);
  const unitMs = units[match?.[2] ?? 's'];
  if (!match || unitMs === undefined)
    return bad(`${JSON.stringify(text)} is not a duration: use for example 90s or 5m`);
  return good(Number(match[1]) * unitMs);
}
