import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

/** Numbers that are the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Makes everything in this process that rolls dice roll the same ones for the same seed: names, jitter, back-off. */
export function seedEverything(seed: number): void {
  const random = seeded(seed ^ 0x5eed);
  Math.random = random;
  const integer = (one: number, two?: number): number =>
    two === undefined || typeof two === 'function'
      ? Math.floor(random() * one)
      : one + Math.floor(random() * (two - one));
  (crypto as { randomInt: unknown }).randomInt = integer;
  syncBuiltinESMExports();
}
