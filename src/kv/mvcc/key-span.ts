import type { Span } from '../storage/engine.ts';

const zero = Buffer.of(0);

/** What a key and a range end name: one key, everything from the key on, or the keys between. */
export function spanOf(key: Buffer, rangeEnd: Buffer): Span {
  if (rangeEnd.length === 0) return { from: key, to: Buffer.concat([key, zero]) };
  return { from: key, to: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : rangeEnd };
}

/** Whether the request names a single key. */
export function isSingleKey({ rangeEnd }: { readonly rangeEnd: Buffer }): boolean {
  return rangeEnd.length === 0;
}

/** Whether a key lies in a span. */
export function spanHas({ from, to }: Span, key: Buffer): boolean {
  return Buffer.compare(from, key) <= 0 && (to === undefined || Buffer.compare(key, to) < 0);
}
