import { print, type Transaction } from './history.ts';

/** The lists of a history: in which order values were appended, by whom, and who saw how much of them. */
export interface Versions {
  /** Those that are known to be committed: they said so, or somebody saw what they appended. */
  readonly committed: ReadonlySet<Transaction>;
  /** The longest that anybody saw of each list. */
  readonly orders: ReadonlyMap<number, readonly number[]>;
  readonly appendedBy: ReadonlyMap<number, Transaction>;
}

/** A read of a list as others left it: what the transaction itself had appended before is cut off. */
export interface ExternalRead {
  readonly list: number;
  readonly values: readonly number[];
}

/** Puts together what the transactions say of the lists. */
export function versionsOf(history: readonly Transaction[]): Versions {
  const appendedBy = new Map<number, Transaction>();
  for (const transaction of history) {
    for (const action of transaction.actions) if (action.type === 'append') appendedBy.set(action.value, transaction);
  }
  const committed = new Set(history.filter(({ outcome }) => outcome === 'committed'));
  const orders = new Map<number, readonly number[]>();
  // Who was not answered counts once somebody saw its append, and what it read may show others.
  const toLookAt = [...committed];
  for (let next = toLookAt.pop(); next; next = toLookAt.pop()) {
    for (const action of next.actions) {
      if (action.type !== 'read') continue;
      const { list, values } = action;
      if (values.length > (orders.get(list)?.length ?? 0)) orders.set(list, values);
      for (const value of values) {
        const writer = appendedBy.get(value);
        if (writer?.outcome !== 'unknown' || committed.has(writer)) continue;
        committed.add(writer);
        toLookAt.push(writer);
      }
    }
  }
  return { committed, orders, appendedBy };
}

/** The reads of a transaction that say what others did before it; the first of each list says it all. */
export function externalReads({ actions }: Transaction): ExternalRead[] {
  const reads = new Map<number, readonly number[]>();
  const own = new Map<number, number>();
  for (const action of actions) {
    if (action.type === 'append') own.set(action.list, (own.get(action.list) ?? 0) + 1);
    else if (!reads.has(action.list)) {
      reads.set(action.list, action.values.slice(0, action.values.length - (own.get(action.list) ?? 0)));
    }
  }
  return [...reads].map(([list, values]) => ({ list, values }));
}

/** The last value that the transaction appended to the list. */
export function lastAppend({ actions }: Transaction, list: number): number | undefined {
  const appends = actions.flatMap((action) => (action.type === 'append' && action.list === list ? [action.value] : []));
  return appends.at(-1);
}

/** What is wrong with reads and appends looked at one by one, a sentence each. */
export function wrongValues(versions: Versions): string[] {
  const each = [...versions.committed];
  return [...each.flatMap((transaction) => wrongReads(transaction, versions)), ...lostAppends(versions)];
}

function wrongReads(transaction: Transaction, { orders, appendedBy }: Versions): string[] {
  const wrong: string[] = [];
  const say = (what: string) => wrong.push(`${what}: ${print(transaction)}`);
  const left = new Map<number, readonly number[]>();
  const own = new Map<number, readonly number[]>();
  for (const action of transaction.actions) {
    const { list } = action;
    const mine = own.get(list) ?? [];
    const before = left.get(list);
    if (action.type === 'append') {
      own.set(list, [...mine, action.value]);
      if (before) left.set(list, [...before, action.value]);
      continue;
    }
    const { values } = action;
    if (!isEqual(values, before ?? [...values.slice(0, values.length - mine.length), ...mine])) {
      say(`a transaction did not see list ${list} as it had left it`);
    }
    left.set(list, values);
    if (new Set(values).size < values.length) say(`list ${list} has a value twice`);
    if (!isEqual(values, orders.get(list)?.slice(0, values.length) ?? [])) say(`list ${list} was seen in two orders`);
    for (const value of values) {
      const writer = appendedBy.get(value);
      if (!writer) say(`list ${list} has ${value}, which nobody appended`);
      else if (writer.outcome === 'aborted') say(`list ${list} has ${value} of an aborted transaction`);
    }
  }
  for (const { list, values } of externalReads(transaction)) {
    const last = values.at(-1);
    const writer = last === undefined ? undefined : appendedBy.get(last);
    if (writer && writer !== transaction && lastAppend(writer, list) !== last) {
      say(`list ${list} was seen in the middle of a transaction`);
    }
  }
  return wrong;
}

/** Appends that were acknowledged, and that nobody saw who looked afterwards. */
function lostAppends({ committed, orders }: Versions): string[] {
  const lastLookMs = new Map<number, number>();
  for (const { actions, beganMs } of committed) {
    for (const { type, list } of actions) {
      if (type === 'read') lastLookMs.set(list, Math.max(beganMs, lastLookMs.get(list) ?? beganMs));
    }
  }
  const present = new Set([...orders.values()].flat());
  return [...committed].flatMap((transaction) =>
    transaction.actions.flatMap((action) => {
      if (action.type !== 'append' || present.has(action.value)) return [];
      const lookedMs = lastLookMs.get(action.list) ?? Number.NEGATIVE_INFINITY;
      return lookedMs > transaction.endedMs ? [`list ${action.list} lost ${action.value}: ${print(transaction)}`] : [];
    }),
  );
}

const isEqual = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((value, at) => value === other[at]);
