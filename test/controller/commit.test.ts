import { expect } from 'chai';
import { commit, DeposedError } from '../../src/controller/commit.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Compare } from '../../src/store/store.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

const never = new AbortController().signal;
const put = (key: string, value: string) => ({ type: 'put' as const, key, value });

describe('commit()', () => {
  let store: MemoryStore;
  let fence: Compare;
  beforeEach(async () => {
    store = new MemoryStore({ clock: new FakeClock() });
    const { revision } = await store.txn({ if: [], then: [put('/pgherd/leader', 'c1')] });
    fence = { key: '/pgherd/leader', target: 'create', op: '=', value: revision };
  });

  it('does all of a decision, or nothing when something has changed since', async () => {
    const absent: Compare = { key: '/a', target: 'create', op: '=', value: 0n };
    const decision = { compares: [absent], ops: [put('/a', '1'), put('/b', '1')] };
    expect(await commit(store, fence, decision, never)).to.include({ committed: true });
    expect(await commit(store, fence, decision, never)).to.deep.equal({ committed: false });
  });

  for (const then of [[], [put('/pgherd/leader', 'c2')]]) {
    it(`rejects and writes nothing once ${then.length === 0 ? 'nobody' : 'another'} leads, however long it slept`, async () => {
      await store.txn({ if: [], then: [{ type: 'delete', key: '/pgherd/leader' }] });
      if (then.length > 0) await store.txn({ if: [], then });
      const error = await commit(store, fence, { compares: [], ops: [put('/a', '1')] }, never).catch((cause) => cause);
      expect(error).to.be.instanceOf(DeposedError);
      expect((await store.get('/a')).kv).to.equal(undefined);
    });
  }
});
