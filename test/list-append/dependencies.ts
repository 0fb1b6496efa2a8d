import type { Transaction } from './history.ts';
import { externalReads, type Versions } from './versions.ts';

/** Why one transaction comes before another, or before a point in time. */
export type Reason =
  /** It appended first. */
  | 'ww'
  /** The other saw what it appended. */
  | 'wr'
  /** It did not see what the other appended. */
  | 'rw'
  /** It had been answered before the other began. */
  | 'time';

/** A graph whose nodes are numbers: transactions come first, then points in time. */
export interface Dependencies {
  readonly transactions: readonly Transaction[];
  readonly after: readonly ReadonlyMap<number, Reason>[];
}

/** Which committed transaction must come before which, in any order that explains what all of them saw. */
export function dependenciesOf(versions: Versions): Dependencies {
  const transactions = [...versions.committed];
  const numbers = new Map(transactions.map((transaction, number) => [transaction, number]));
  const after = transactions.map(() => new Map<number, Reason>());
  const put = (from: number | undefined, to: number | undefined, reason: Reason) => {
    if (from === undefined || to === undefined || from === to || after[from]?.has(to)) return;
    after[from]?.set(to, reason);
  };
  const writerOf = (value: number | undefined): number | undefined => {
    const writer = value === undefined ? undefined : versions.appendedBy.get(value);
    return writer && numbers.get(writer);
  };

  // Whatever nobody saw comes after all that was seen.
  const unseen = unseenWriters(versions, numbers);
  for (const [list, order] of versions.orders) {
    for (let at = 1; at < order.length; at++) put(writerOf(order[at - 1]), writerOf(order[at]), 'ww');
    for (const last of unseen.get(list) ?? []) put(writerOf(order.at(-1)), last, 'ww');
  }
  for (const [number, transaction] of transactions.entries()) {
    for (const { list, values } of externalReads(transaction)) {
      const order = versions.orders.get(list) ?? [];
      put(writerOf(values.at(-1)), number, 'wr');
      put(number, writerOf(order[values.length]), 'rw');
      if (values.length === order.length) for (const writer of unseen.get(list) ?? []) put(number, writer, 'rw');
    }
  }
  orderInTime(transactions, after);
  return { transactions, after };
}

function unseenWriters(
  { orders }: Versions,
  numbers: ReadonlyMap<Transaction, number>,
): ReadonlyMap<number, ReadonlySet<number>> {
  const seen = new Set([...orders.values()].flat());
  const unseen = new Map<number, Set<number>>();
  for (const [{ actions }, number] of numbers) {
    for (const action of actions) {
      if (action.type !== 'append' || seen.has(action.value)) continue;
      const writers = unseen.get(action.list) ?? new Set();
      unseen.set(action.list, writers.add(number));
    }
  }
  return unseen;
}

/** One chain of points, one for each end: an edge from each end to each later beginning would be their square. */
function orderInTime(transactions: readonly Transaction[], after: Map<number, Reason>[]): void {
  const ended = [...transactions.entries()]
    .filter(([, { endedMs }]) => endedMs < Number.POSITIVE_INFINITY)
    .sort(([, one], [, other]) => one.endedMs - other.endedMs);
  const began = [...transactions.entries()].sort(([, one], [, other]) => one.beganMs - other.beganMs);
  let next = 0;
  for (const [number, { endedMs }] of ended) {
    const point = after.length;
    for (; (began[next]?.[1].beganMs ?? Number.POSITIVE_INFINITY) <= endedMs; next++) {
      if (point > transactions.length) after[point - 1]?.set((began[next] as [number, Transaction])[0], 'time');
    }
    if (point > transactions.length) after[point - 1]?.set(point, 'time');
    after.push(new Map());
    after[number]?.set(point, 'time');
  }
  for (; next < began.length; next++) {
    if (after.length > transactions.length) after.at(-1)?.set((began[next] as [number, Transaction])[0], 'time');
  }
}
