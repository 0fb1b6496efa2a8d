import { expect } from 'chai';
import sinon from 'sinon';
import { DeposedError } from '../../src/controller/commit.ts';
import { Commits } from '../../src/controller/commits.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Compare, Op } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

const never = new AbortController().signal;
const put = (key: string, value = ''): Op => ({ type: 'put', key, value });
const absent = (key: string): Compare => ({ key, target: 'create', op: '=', value: 0n });
const create = (...keys: string[]) => ({ compares: keys.map(absent), ops: keys.map((key) => put(key)) });

describe('Commits', () => {
  let store: MemoryStore;
  let fence: Compare;
  let commits: Commits;
  let txn: sinon.SinonSpy;
  beforeEach(async () => {
    store = new MemoryStore({ clock: new FakeClock() });
    const { revision } = await store.txn({ if: [], then: [put('/leader', 'c1'), put('/next', '5')] });
    fence = { key: '/leader', target: 'create', op: '=', value: revision };
    commits = new Commits(store);
    txn = sinon.spy(store, 'txn');
  });

  const all = (decisions: readonly { compares: readonly Compare[]; ops: readonly Op[] }[]) =>
    Promise.all(decisions.map((decision) => commits.commit(fence, decision, never)));
  const value = (key: string) => store.keyspace.get(key)?.value;

  it('sends what waits in one transaction, and each is done if its own conditions hold', async () => {
    store.keyspace.txn({ if: [], then: [put('/b')] });
    const outcomes = await all([create('/a', '/a2'), create('/b', '/b2'), create('/c')]);
    expect(outcomes.map(({ committed }) => committed)).to.deep.equal([true, false, true]);
    expect(txn.callCount).to.equal(1);
    expect(['/a2', '/b2', '/c'].map(value)).to.deep.equal(['', undefined, '']);
    expect(outcomes[0]).to.have.property('revision', store.keyspace.revision);
  });

  it('puts what is decided while a transaction is on its way into the next', async () => {
    const first = commits.commit(fence, create('/a'), never);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.all([first, all([create('/b'), create('/c')])]);
    expect(txn.callCount).to.equal(2);
  });

  it('raises a key that several raise to the highest', async () => {
    const raise = (to: string): Op => ({ type: 'raise', key: '/next', value: to });
    const decisions = ['7', '9', '8'].map((to) => ({ compares: [absent(`/${to}`)], ops: [put(`/${to}`), raise(to)] }));
    await all(decisions);
    expect(txn.callCount).to.equal(1);
    expect(value('/next')).to.equal('9');
  });

  const touching: [what: string, second: { compares: Compare[]; ops: Op[] }, done: boolean][] = [
    ['the same key', create('/a'), false],
    ['a key that the other looks at', { compares: [], ops: [put('/x')] }, true],
    ['what the other only writes', { compares: [absent('/y')], ops: [put('/z')] }, false],
    ['a range', { compares: [], ops: [{ type: 'deleteRange', range: { start: '/y', end: '/z' } }] }, true],
  ];
  for (const [what, second, done] of touching) {
    it(`lets a decision that touches ${what} come after the other, not along with it`, async () => {
      const first = { compares: [absent('/a'), absent('/x')], ops: [put('/a'), put('/y')] };
      const outcomes = await all([first, second, create('/c')]);
      expect(outcomes.map(({ committed }) => committed)).to.deep.equal([true, done, true]);
      expect(txn.callCount).to.equal(2);
    });
  }

  it('does nothing of any of them once another leads', async () => {
    await store.txn({ if: [], then: [{ type: 'delete', key: '/leader' }] });
    const failures = await Promise.all(
      ['/a', '/b'].map((key) => commits.commit(fence, create(key), never).catch((error: unknown) => error)),
    );
    for (const failure of failures) expect(failure).to.be.instanceOf(DeposedError);
    expect(value('/a')).to.equal(undefined);
  });

  it('lets one that the store refuses fail alone', async () => {
    const twice = { compares: [], ops: [put('/t', '1'), put('/t', '2')] };
    const outcomes = await Promise.allSettled(
      [create('/a'), twice, create('/b')].map((decision) => commits.commit(fence, decision, never)),
    );
    expect(outcomes.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled']);
    expect(['/a', '/b'].map(value)).to.deep.equal(['', '']);
  });

  it('rejects all when the store is away, and goes on when it is back', async () => {
    store.disconnect();
    const outcomes = await Promise.allSettled([create('/a'), create('/b')].map((d) => commits.commit(fence, d, never)));
    for (const outcome of outcomes) expect(outcome).to.have.nested.property('reason').instanceOf(StoreError);
    store.reconnect();
    expect(await commits.commit(fence, create('/c'), never)).to.include({ committed: true });
  });

  it('does not send what still waits when its signal aborts', async () => {
    const stopping = new AbortController();
    const first = commits.commit(fence, create('/a'), never);
    await Promise.resolve();
    await Promise.resolve();
    const second = commits.commit(fence, create('/b'), stopping.signal).catch((error: Error) => error.message);
    stopping.abort(new Error('enough'));
    await first;
    expect(await second).to.equal('enough');
    await commits.commit(fence, create('/c'), never);
    expect(value('/b')).to.equal(undefined);
  });
});
