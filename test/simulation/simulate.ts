import { Run } from './run.ts';
import { historyOf, printSteps, type Step } from './steps.ts';

/** Plays one history; resolves with what was broken, undefined when nothing was, and with how many steps it took. */
async function play(seed: number, steps: readonly Step[], last: readonly object[]) {
  const run = new Run(seed);
  try {
    await run.play(steps, last);
    return { steps: run.steps, error: undefined };
  } catch (error) {
    return { steps: run.steps, error: error as Error };
  }
}

const longestSearchMs = 30_000;

/** The fewest steps that still break a promise: leaves out ever smaller parts, as long as something breaks. */
async function minimize(seed: number, steps: readonly Step[], last: readonly object[]): Promise<readonly Step[]> {
  let kept = steps;
  const untilMs = performance.now() + longestSearchMs;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length && performance.now() < untilMs; ) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      const { error } = await play(seed, fewer, last);
      if (error) kept = fewer;
      else at += size;
    }
  }
  return kept;
}

const [first = 1, end = first] = (process.argv[2] ?? '1-100').split('-').map(Number) as [number, number?];
const startedMs = performance.now();
let steps = 0;
let failed = 0;
for (let seed = first; seed <= end; seed++) {
  const history = historyOf(seed);
  const played = await play(seed, history.steps, history.last);
  steps += played.steps;
  if (!played.error) continue;
  failed += 1;
  console.error(`seed ${seed} breaks a promise: ${played.error.message}`);
  const least = await minimize(seed, history.steps, history.last);
  const { error = played.error } = await play(seed, least, history.last);
  console.error(`the least that still does: ${error.message}`);
  console.error(`${printSteps(least)}\n  and then ${JSON.stringify(history.last)}`);
  console.error((error.stack ?? '').split('\n').slice(1, 5).join('\n'));
  if (failed >= 5) break;
}
const seconds = (performance.now() - startedMs) / 1000;
const figure = { name: 'simulation', seeds: end - first + 1, failed, steps, seconds: Number(seconds.toFixed(1)) };
console.log(JSON.stringify({ ...figure, stepsPerSecond: Math.round(steps / seconds) }));
process.exit(failed > 0 ? 1 : 0);
