import { expect } from 'chai';
import { releaseLeaderKey } from '../../src/cell/proved-release.ts';
import type { Proof } from '../../src/cell/runtime/runtime.ts';
import type { InstanceId, NodeId } from '../../src/schema/ids.ts';
import { leaderKey } from '../../src/schema/patroni.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { CallOptions, TxnRequest, TxnResult } from '../../src/store/store.ts';
import { StoreError } from '../../src/store/store-error.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

const instance = 'i' as InstanceId;
const node = 'i-a' as NodeId;
const key = leaderKey(instance);

/** Freezes whoever releases between the reading and the deleting, while others go on. */
class FreezingStore extends MemoryStore {
  meanwhile: () => Promise<unknown> = async () => {};
  afterwards: () => void = () => {};

  override async txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    const { meanwhile } = this;
    this.meanwhile = async () => {};
    await meanwhile();
    const result = await super.txn(request, options);
    this.afterwards();
    return result;
  }
}

describe('releaseLeaderKey()', () => {
  let store: FreezingStore;
  let others: MemoryStore;
  let proofs: number;
  const signal = new AbortController().signal;

  beforeEach(() => {
    const clock = new FakeClock();
    store = new FreezingStore({ clock });
    others = new MemoryStore({ clock, keyspace: store.keyspace });
    proofs = 0;
  });
  afterEach(async () => {
    await others.close();
    await store.close();
  });

  const lead = async (name: string, ttl = 30) => {
    const lease = await others.lease(ttl);
    await others.txn({ if: [], then: [{ type: 'put', key, value: name, leaseId: lease.id }] });
    return lease;
  };
  const leader = async () => (await others.get(key)).kv?.value;
  let proof: Proof = 'proven';
  const prove = async () => {
    proofs += 1;
    return proof;
  };
  const release = () => releaseLeaderKey(instance, node, { store, prove, signal });

  it('touches nothing when nobody can prove that the node is gone', async () => {
    proof = 'unproven';
    await lead(node);
    expect(await release()).to.equal('unproven');
    expect(await leader()).to.equal(node);
    proof = 'proven';
  });

  it('releases the key of a dead leader', async () => {
    await lead(node);
    expect(await release()).to.equal('released');
    expect(await leader()).to.equal(undefined);
    expect(proofs).to.equal(1);
  });

  it('does not look at the key before the proof', async () => {
    await lead(node);
    let reads = 0;
    const get = store.get.bind(store);
    store.get = (...asked) => {
      reads += 1;
      return get(...asked);
    };
    const failing = async () => {
      throw new Error('processes 7 do not end although they were killed');
    };
    const failure = await releaseLeaderKey(instance, node, { store, prove: failing, signal }).catch((error) => error);
    expect(failure.message).to.match(/do not end/);
    expect(reads).to.equal(0);
    expect(await leader()).to.equal(node);
  });

  it('leaves the key of another leader alone', async () => {
    await lead('i-b');
    expect(await release()).to.equal('not-leader');
    expect(await leader()).to.equal('i-b');
  });

  it('has nothing to do when there is no leader', async () => {
    expect(await release()).to.equal('not-leader');
  });

  const meanwhile: [string, () => Promise<unknown>, string | undefined][] = [
    [
      'leaves the new leader alone who was elected while this agent was frozen',
      async () => {
        await others.txn({ if: [], then: [{ type: 'delete', key }] });
        await lead('i-b');
      },
      'i-b',
    ],
    [
      'leaves a new leader alone of whom only the revision differs',
      async () => {
        const { kv } = await others.get(key);
        await others.txn({ if: [], then: [{ type: 'put', key, value: 'i-b', leaseId: kv?.leaseId ?? 0n }] });
      },
      'i-b',
    ],
    [
      'finds the key gone that ran out while this agent was frozen',
      () => others.txn({ if: [], then: [{ type: 'delete', key }] }),
      undefined,
    ],
    [
      'releases a key that the last write of the dead node touched once more',
      async () => {
        const { kv } = await others.get(key);
        await others.txn({ if: [], then: [{ type: 'put', key, value: node, leaseId: kv?.leaseId ?? 0n }] });
      },
      undefined,
    ],
  ];
  for (const [what, happens, expected] of meanwhile) {
    it(what, async () => {
      await lead(node);
      store.meanwhile = happens;
      await release();
      expect(await leader()).to.equal(expected);
    });
  }

  it('rejects when the store does not answer, and does no harm when it is tried again', async () => {
    await lead(node);
    store.afterwards = () => {
      store.afterwards = () => {};
      throw new StoreError('unavailable', 'the answer was lost');
    };
    expect(await release().catch((error: StoreError) => error.code)).to.equal('unavailable');
    await lead('i-b');
    expect(await release()).to.equal('not-leader');
    expect(await leader()).to.equal('i-b');
  });
});
