import { apply, type Call } from './history.ts';

/**
 * Looks for an order of the calls on one key that explains every answer, where a call that had ended before another
 * began comes before it. Wing and Gong's search: take any call that could be next, go on from there, go back when
 * stuck; with Lowe's memory of what was taken already with the same value, without which it would never end.
 * Returns undefined when there is one, else the calls that the longest order could not go on with.
 */
export function unexplained(calls: readonly Call[], initial: string | undefined): readonly Call[] | undefined {
  const sorted = calls.toSorted((a, b) => a.beganMs - b.beganMs);
  const mustBeTaken = sorted.filter(({ answer }) => answer.type !== 'lost').length;
  const taken = new Uint8Array(sorted.length);
  const seen = new Set<string>();
  let stuckAt: readonly Call[] = [];
  let most = -1;

  const stack: { readonly index: number; readonly before: string | undefined }[] = [];
  let value = initial;
  let answeredTaken = 0;
  let from = 0;
  for (;;) {
    if (answeredTaken === mustBeTaken) return undefined;
    const next = findNext(from);
    if (next !== undefined) {
      stack.push({ index: next.index, before: value });
      take(next.index);
      value = next.after;
      from = 0;
      continue;
    }
    if (answeredTaken > most) {
      most = answeredTaken;
      stuckAt = candidates();
    }
    const last = stack.pop();
    if (!last) return stuckAt;
    untake(last.index);
    value = last.before;
    from = last.index + 1;
  }

  /** The first call at or after `start` that may come next and leads to somewhere new. */
  function findNext(start: number): { readonly index: number; readonly after: string | undefined } | undefined {
    const limitMs = earliestEnd();
    for (let index = start; index < sorted.length; index++) {
      const call = sorted[index] as Call;
      if (call.beganMs > limitMs) return undefined;
      if (taken[index]) continue;
      const applied = apply(value, call);
      if (!applied) continue;
      taken[index] = 1;
      const state = `${Buffer.from(taken).toString('latin1')}|${applied.after}`;
      taken[index] = 0;
      if (seen.has(state)) continue;
      seen.add(state);
      return { index, after: applied.after };
    }
    return undefined;
  }

  /** No call can come next that began after another, not taken yet, had ended. */
  function earliestEnd(): number {
    let earliestMs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < sorted.length; index++) {
      const { beganMs, endedMs } = sorted[index] as Call;
      if (beganMs > earliestMs) break;
      if (!taken[index] && endedMs < earliestMs) earliestMs = endedMs;
    }
    return earliestMs;
  }

  function candidates(): readonly Call[] {
    const limitMs = earliestEnd();
    return sorted.filter((call, index) => !taken[index] && call.beganMs <= limitMs);
  }

  function take(index: number): void {
    taken[index] = 1;
    if (sorted[index]?.answer.type !== 'lost') answeredTaken += 1;
  }

  function untake(index: number): void {
    taken[index] = 0;
    if (sorted[index]?.answer.type !== 'lost') answeredTaken -= 1;
  }
}
