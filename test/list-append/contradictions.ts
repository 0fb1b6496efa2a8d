import { cyclesOf, type Step } from './cycles.ts';
import { type Dependencies, dependenciesOf } from './dependencies.ts';
import { print, type Transaction } from './history.ts';
import { versionsOf, wrongValues } from './versions.ts';

/**
 * What cannot be in a history of appends and reads if the database is strictly serializable: if there was one order of all
 * committed transactions that explains what each saw, in which one that was answered before another began comes first.
 * In the way of Jepsen's list-append: every read tells in which order everything before it was appended, so that whoever
 * must come before whom is known, and a contradiction is a cycle. Empty when there is none.
 *
 * PostgreSQL promises this for `serializable` on one leader; across leaders it is what we promise, for instances that are
 * synchronous or whose leader was not lost.
 */
export function contradictions(history: readonly Transaction[]): string[] {
  const versions = versionsOf(history);
  const wrong = wrongValues(versions);
  // Without an order of each list that all agree on, cycles would only repeat it.
  if (wrong.length > 0) return wrong;
  const dependencies = dependenciesOf(versions);
  return cyclesOf(dependencies).map((cycle) => describe(cycle, dependencies));
}

function describe(cycle: readonly Step[], { transactions }: Dependencies): string {
  const isTransaction = ({ node }: Step) => node < transactions.length;
  const first = cycle.findIndex(isTransaction);
  const steps = [...cycle.slice(first), ...cycle.slice(0, first)].filter(isTransaction);
  const words = steps.map(({ node, reason }) => `${print(transactions[node] as Transaction)} -${reason}->`);
  return `each comes before the next, and the last before the first: ${words.join(' ')}`;
}
