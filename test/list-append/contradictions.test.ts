import { expect } from 'chai';
import fc from 'fast-check';
import { contradictions } from './contradictions.ts';
import type { Action, Outcome, Transaction } from './history.ts';

const append = (list: number, value: number): Action => ({ type: 'append', list, value });
const read = (list: number, ...values: number[]): Action => ({ type: 'read', list, values });
const at = (beganMs: number, endedMs: number, actions: readonly Action[], outcome: Outcome = 'committed') =>
  ({ client: beganMs, actions, outcome, beganMs, endedMs }) satisfies Transaction;
const committed = (beganMs: number, endedMs: number, ...actions: Action[]) => at(beganMs, endedMs, actions);
const aborted = (beganMs: number, endedMs: number, ...actions: Action[]) => at(beganMs, endedMs, actions, 'aborted');
const unanswered = (beganMs: number, ...actions: Action[]) => at(beganMs, Number.POSITIVE_INFINITY, actions, 'unknown');

const good: readonly [string, readonly Transaction[]][] = [
  ['nothing', []],
  [
    'one after the other',
    [committed(0, 1, append(1, 10)), committed(2, 3, read(1, 10), append(1, 11), read(1, 10, 11))],
  ],
  [
    'two at once, in either order',
    [committed(0, 9, append(1, 10)), committed(0, 9, append(1, 11)), committed(10, 11, read(1, 11, 10))],
  ],
  [
    'an append without an answer that is there',
    [unanswered(0, append(1, 10)), committed(5, 6, read(1)), committed(7, 8, read(1, 10))],
  ],
  ['an append without an answer that is not there', [unanswered(0, append(1, 10)), committed(5, 6, read(1))]],
  ['an aborted append that is not there', [aborted(0, 1, append(1, 10)), committed(5, 6, read(1))]],
  ['a read that began before the append was answered', [committed(0, 9, append(1, 10)), committed(5, 6, read(1))]],
  ['an append that nobody looked for', [committed(0, 1, append(1, 10)), committed(2, 3, append(2, 11))]],
  ['what an aborted transaction saw', [committed(0, 1, append(1, 10)), aborted(2, 3, read(1))]],
];

const bad: readonly [string, readonly Transaction[], RegExp][] = [
  ['a lost append', [committed(0, 1, append(1, 10)), committed(2, 3, read(1))], /^list 1 lost 10: client 0/],
  [
    'an append lost from the middle',
    [committed(0, 1, append(1, 10)), committed(2, 3, append(1, 11)), committed(4, 5, read(1, 11))],
    /lost 10/,
  ],
  ['a duplicated append', [committed(0, 1, append(1, 10)), committed(2, 3, read(1, 10, 10))], /twice/],
  ['an aborted append', [aborted(0, 1, append(1, 10)), committed(2, 3, read(1, 10))], /10 of an aborted transaction/],
  ['a value from nowhere', [committed(2, 3, read(1, 10))], /nobody appended/],
  [
    'a transaction seen in its middle',
    [committed(0, 9, append(1, 10), append(1, 11)), committed(5, 6, read(1, 10)), committed(10, 11, read(1, 10, 11))],
    /in the middle/,
  ],
  [
    'two orders of one list',
    [
      committed(0, 9, append(1, 10)),
      committed(0, 9, append(1, 11)),
      committed(5, 6, read(1, 10)),
      committed(10, 11, read(1, 11, 10)),
    ],
    /two orders/,
  ],
  ['its own append missing', [committed(0, 1, append(1, 10), read(1))], /as it had left it/],
  [
    'a list that changed under it',
    [committed(0, 9, append(1, 10)), committed(0, 9, read(1), read(1, 10))],
    /as it had left it/,
  ],
  [
    'a stale read in another session',
    [committed(0, 1, append(1, 10)), committed(2, 3, read(1)), committed(4, 5, read(1, 10))],
    /client 0 .* -time-> client 2 .* -rw->/,
  ],
  [
    'a stale read after another has seen more',
    [unanswered(0, append(1, 10)), committed(2, 3, read(1, 10)), committed(4, 5, read(1))],
    /-time-> client 4 .* -rw-> client 0 .* -wr->/,
  ],
  [
    'half of a transaction that was not answered',
    [unanswered(0, append(1, 10), append(2, 11)), committed(2, 3, read(1, 10), read(2))],
    /-rw->/,
  ],
  [
    'lists appended to in two orders',
    [
      committed(0, 9, append(1, 10), append(2, 20)),
      committed(1, 9, append(1, 11), append(2, 21)),
      committed(10, 11, read(1, 10, 11), read(2, 21, 20)),
    ],
    /-ww-> .* -ww->/,
  ],
  [
    'two that did not see each other',
    [
      committed(0, 9, read(1), append(2, 20)),
      committed(1, 9, read(2), append(1, 10)),
      committed(10, 11, read(1, 10), read(2, 20)),
    ],
    /-rw-> .* -rw->/,
  ],
];

describe('contradictions()', () => {
  for (const [what, history] of good) {
    it(`accepts ${what}`, () => {
      expect(contradictions(history)).to.deep.equal([]);
    });
  }

  for (const [what, history, says] of bad) {
    it(`finds ${what}`, () => {
      expect(contradictions(history).join('\n')).to.match(says);
    });
  }

  it('accepts whatever an honest database answered to transactions that overlap', () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(contradictions(history)).to.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });

  it('finds each acknowledged append that the database forgets before the last read', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (history, which) => {
        const answered = history.filter(({ outcome }) => outcome === 'committed').flatMap(({ actions }) => actions);
        const appends = answered.filter((action) => action.type === 'append');
        const forgotten = appends[which % appends.length];
        fc.pre(forgotten !== undefined);
        const forgets = history.map((transaction, i) => {
          if (i < history.length - 1) return transaction;
          return { ...transaction, actions: transaction.actions.map((action) => without(action, forgotten.value)) };
        });
        expect(contradictions(forgets)).to.not.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });

  it('finds a session that reads from a copy that is behind', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const last = history.at(-1) as Transaction;
        const behind = last.actions.findIndex((action) => action.type === 'read' && action.values.length > 0);
        fc.pre(behind >= 0);
        const late = { ...last, client: 99, beganMs: last.endedMs + 1, endedMs: last.endedMs + 2 };
        const actions = late.actions.map((action, i) =>
          i === behind && action.type === 'read' ? { ...action, values: action.values.slice(0, -1) } : action,
        );
        expect(contradictions([...history, { ...late, actions }])).to.not.deep.equal([]);
      }),
      { numRuns: 100 },
    );
  });
});

function without(action: Action, value: number): Action {
  return action.type === 'read' ? { ...action, values: action.values.filter((each) => each !== value) } : action;
}

/** Transactions on three lists as a serial database would have run them; a last one reads everything. */
const histories: fc.Arbitrary<readonly Transaction[]> = fc
  .array(
    fc.record({
      actions: fc.array(fc.record({ list: fc.nat(2), reads: fc.boolean() }), { minLength: 1, maxLength: 4 }),
      beforeMs: fc.nat(20),
      afterMs: fc.nat(20),
      outcome: fc.constantFrom<Outcome>('committed', 'committed', 'committed', 'aborted', 'unknown'),
      happened: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((steps) => {
    const lists = new Map<number, readonly number[]>([0, 1, 2].map((list) => [list, []]));
    let value = 0;
    const transactions = steps.map(({ actions, beforeMs, afterMs, outcome, happened }, i): Transaction => {
      const own = new Map(lists);
      const done = actions.map(({ list, reads }): Action => {
        const values = own.get(list) ?? [];
        if (reads) return { type: 'read', list, values };
        value += 1;
        own.set(list, [...values, value]);
        return { type: 'append', list, value };
      });
      if (outcome === 'committed' || (outcome === 'unknown' && happened)) {
        for (const [list, values] of own) lists.set(list, values);
      }
      const endedMs = outcome === 'unknown' ? Number.POSITIVE_INFINITY : i + afterMs;
      return { client: i, actions: done, outcome, beganMs: i - beforeMs, endedMs };
    });
    const all = [...lists].map(([list, values]): Action => ({ type: 'read', list, values }));
    return [...transactions, { client: -1, actions: all, outcome: 'committed', beganMs: 1000, endedMs: 1001 }];
  });
