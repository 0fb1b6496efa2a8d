import { createInterface } from 'node:readline/promises';
import { Failure } from './failure.ts';
import type { World } from './world.ts';

/** Asks on a terminal, and fails with `refused` on any answer but yes; nobody is asked who is no person. */
export async function confirm(question: string, refused: string, world: World, signal: AbortSignal): Promise<void> {
  if (!world.stdin.isTTY) return;
  const lines = createInterface({ input: world.stdin });
  try {
    world.stderr.write(`${question} [y/N] `);
    const answer = await lines.question('', { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure(refused);
  } finally {
    lines.close();
  }
}
