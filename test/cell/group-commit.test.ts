import { expect } from 'chai';
import { GroupCommit } from '../../src/cell/group-commit.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { maxTxnOps, type Op, type TxnRequest, type TxnResult } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

/** Takes a turn of the event loop for each transaction, and remembers what it was asked. */
class SlowStore extends MemoryStore {
  readonly requests: TxnRequest[] = [];
  failure: Error | undefined;

  override async txn(request: TxnRequest): Promise<TxnResult> {
    this.requests.push(request);
    await settle();
    if (this.failure) throw this.failure;
    return super.txn(request);
  }
}

const put = (key: string, value = ''): Op => ({ type: 'put', key, value });

describe('GroupCommit', () => {
  let store: SlowStore;
  let group: GroupCommit;
  beforeEach(() => {
    store = new SlowStore({ clock: new FakeClock() });
    group = new GroupCommit(store);
  });
  afterEach(() => store.close());

  const value = async (key: string) => (await store.get(key)).kv?.value;

  it('commits what comes together in one transaction', async () => {
    const written = await Promise.all(['/a', '/b', '/c'].map((key) => group.commit({ if: [], then: [put(key)] })));
    expect(store.requests).to.have.length(1);
    expect(new Set(written.map(({ revision }) => revision)).size).to.equal(1);
  });

  it('commits what comes meanwhile in the next one', async () => {
    const first = group.commit({ if: [], then: [put('/a')] });
    await Promise.resolve();
    await Promise.resolve();
    const others = ['/b', '/c'].map((key) => group.commit({ if: [], then: [put(key)] }));
    await Promise.all([first, ...others]);
    expect(store.requests.map(({ then }) => then.length)).to.deep.equal([1, 2]);
  });

  it('does not let one failed condition fail the others', async () => {
    const isThere = { key: '/absent', target: 'create', op: '>', value: 0n } as const;
    const written = await Promise.all([
      group.commit({ if: [], then: [put('/a')] }),
      group.commit({ if: [isThere], then: [put('/b')] }),
      group.commit({ if: [], then: [put('/c')] }),
    ]);
    expect(written.map(({ succeeded }) => succeeded)).to.deep.equal([true, false, true]);
    expect(await value('/b')).to.equal(undefined);
    expect(await value('/c')).to.equal('');
  });

  it('never writes a key twice in one transaction, and keeps the order', async () => {
    await Promise.all(['1', '2', '3'].map((text) => group.commit({ if: [], then: [put('/a', text)] })));
    expect(store.requests).to.have.length(3);
    expect(await value('/a')).to.equal('3');
  });

  it('stays below what etcd allows in one transaction', async () => {
    const many = Array.from({ length: 2 * maxTxnOps }, (_, i) => group.commit({ if: [], then: [put(`/${i}`)] }));
    await Promise.all(many);
    expect(store.requests.map(({ then }) => then.length)).to.deep.equal([maxTxnOps, maxTxnOps]);
  });

  it('tells everybody when the store does not answer, and goes on', async () => {
    store.failure = new StoreError('unavailable', 'no answer');
    const failures = await Promise.all(
      ['/a', '/b'].map((key) => group.commit({ if: [], then: [put(key)] }).catch((error: StoreError) => error.code)),
    );
    expect(failures).to.deep.equal(['unavailable', 'unavailable']);
    store.failure = undefined;
    expect((await group.commit({ if: [], then: [put('/a')] })).succeeded).to.equal(true);
  });
});
