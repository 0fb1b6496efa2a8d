import fc from 'fast-check';
import { operations } from './operations.ts';
import { Replay, type Transcript } from './replay.ts';

/** Does the same random things to both servers: throws, with the shortest run that shows it, when they differ. */
export async function compareServers(
  right: { readonly endpoint: string },
  tested: { readonly endpoint: string },
  { runs, seed }: { readonly runs: number; readonly seed: number },
): Promise<void> {
  const replays = [new Replay(right.endpoint), new Replay(tested.endpoint)] as const;
  try {
    await fc.assert(
      fc.asyncProperty(operations, async (run) => {
        const [expected, actual] = await Promise.all([replays[0].run(run), replays[1].run(run)]);
        const difference = firstDifference(lines(expected), lines(actual));
        if (difference) throw new Error(difference);
      }),
      { numRuns: runs, seed, endOnFailure: false },
    );
  } finally {
    for (const replay of replays) replay.close();
  }
}

const lines = (transcript: Transcript): string[] =>
  [...transcript.answers, ...transcript.watches.map((seen, watch) => ({ watch: watch + 1, seen }))].map((each) =>
    JSON.stringify(each),
  );

function firstDifference(right: readonly string[], tested: readonly string[]): string | undefined {
  const index = right.findIndex((line, i) => line !== tested[i]);
  if (index < 0) return undefined;
  return `answer ${index + 1}\n  should be ${right[index]}\n  and is    ${tested[index]}`;
}
