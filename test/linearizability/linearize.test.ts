import { expect } from 'chai';
import fc from 'fast-check';
import { type Action, type Answer, apply, type Call } from './history.ts';
import { unexplained } from './linearize.ts';

let revision = 1n;
const call = (beganMs: number, endedMs: number, action: Action, answer: Answer): Call => {
  return { client: 0, key: 'a', action, answer, beganMs, endedMs };
};
const put = (beganMs: number, endedMs: number, value: string): Call =>
  call(beganMs, endedMs, { type: 'put', value }, { type: 'done', wrote: true, revision: ++revision });
const lostPut = (beganMs: number, value: string): Call =>
  call(beganMs, Number.POSITIVE_INFINITY, { type: 'put', value }, { type: 'lost' });
const get = (beganMs: number, endedMs: number, value: string | undefined): Call =>
  call(beganMs, endedMs, { type: 'get' }, { type: 'read', value, revision });
const swap = (beganMs: number, endedMs: number, expected: string | undefined, value: string, wrote: boolean): Call =>
  call(beganMs, endedMs, { type: 'swap', expected, value }, { type: 'done', wrote, revision });

const explains = (...calls: Call[]) => unexplained(calls, undefined) === undefined;

describe('unexplained()', () => {
  it('takes calls one after the other as they were', () => {
    expect(explains()).to.equal(true);
    expect(explains(get(0, 1, undefined), put(2, 3, '1'), get(4, 5, '1'))).to.equal(true);
  });

  it('finds a write that was answered and lost', () => {
    expect(explains(put(0, 1, '1'), get(2, 3, undefined))).to.equal(false);
    expect(explains(put(0, 1, '1'), put(2, 3, '2'), get(4, 5, '1'))).to.equal(false);
  });

  it('lets calls that overlap come in any order, but in one only', () => {
    expect(explains(put(0, 10, '1'), get(1, 2, undefined), get(3, 4, '1'))).to.equal(true);
    expect(explains(put(0, 10, '1'), get(1, 2, '1'), get(3, 4, undefined))).to.equal(false);
    expect(explains(put(0, 10, '1'), put(0, 10, '2'), get(11, 12, '1'), get(11, 12, '2'))).to.equal(false);
  });

  it('a write without an answer may have happened, late or never', () => {
    expect(explains(lostPut(0, '1'), get(5, 6, undefined), get(7, 8, '1'))).to.equal(true);
    expect(explains(lostPut(0, '1'), get(5, 6, undefined))).to.equal(true);
    expect(explains(lostPut(0, '1'), get(5, 6, '1'), get(7, 8, undefined))).to.equal(false);
    expect(explains(get(0, 1, '1'), lostPut(2, '1'))).to.equal(false);
  });

  it('a swap tells whether it wrote', () => {
    expect(explains(put(0, 1, '1'), swap(2, 3, '1', '2', true), get(4, 5, '2'))).to.equal(true);
    expect(explains(put(0, 1, '1'), swap(2, 3, '0', '2', false), get(4, 5, '1'))).to.equal(true);
    expect(explains(put(0, 1, '1'), swap(2, 3, '0', '2', true))).to.equal(false);
    expect(explains(swap(0, 9, undefined, '1', true), swap(0, 9, undefined, '2', true))).to.equal(false);
  });

  it('explains whatever an honest register answered, in many overlapping calls', () => {
    const script = fc.array(
      fc.record({
        value: fc.constantFrom('1', '2', '3'),
        expected: fc.constantFrom(undefined, '1', '2', '3'),
        type: fc.constantFrom('get', 'put', 'delete', 'swap'),
        beforeMs: fc.nat(20),
        afterMs: fc.nat(20),
        lost: fc.nat(9),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(script, (steps) => {
        let value: string | undefined;
        const calls = steps.map((step, i) => {
          const action = step as Action;
          const answer = honest(value, action);
          value = apply(value, { action, answer })?.after;
          const lost = step.lost === 0;
          return call(
            i - step.beforeMs,
            lost ? Number.POSITIVE_INFINITY : i + step.afterMs,
            action,
            lost ? { type: 'lost' } : answer,
          );
        });
        return unexplained(calls, undefined) === undefined;
      }),
      { numRuns: 50 },
    );
  });
});

function honest(before: string | undefined, action: Action): Answer {
  if (action.type === 'get') return { type: 'read', value: before, revision: 1n };
  const wrote = action.type === 'put' || (action.type === 'delete' ? before !== undefined : before === action.expected);
  return { type: 'done', wrote, revision: 1n };
}
