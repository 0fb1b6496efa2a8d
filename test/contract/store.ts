import { expect } from 'chai';
import {
  type KeyRange,
  type Op,
  prefixRange,
  type Store,
  type WatchBatch,
  type WriteOp,
} from '../../src/store/store.ts';
import { CompactedError, StoreError, type StoreErrorCode } from '../../src/store/store-error.ts';

/** What the contract needs from an implementation; keys of one test never meet those of another. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Another client of the same data. */
  readonly other: Store;
  compact(revision: bigint): Promise<void>;
  /** Waits (or lets the clock run) for real seconds of the store's time. */
  pass(seconds: number): Promise<void>;
}

const put = (key: string, value = '', leaseId?: bigint): WriteOp => ({
  type: 'put',
  key,
  value,
  ...(leaseId === undefined ? {} : { leaseId }),
});

/** What every `Store` keeps, whatever is behind it. */
export function storeContract(start: () => Promise<StoreUnderTest>): void {
  let tested: StoreUnderTest;
  let store: Store;
  let prefix: string;
  let tests = 0;
  let controller: AbortController;
  let signal: AbortSignal;

  before(async () => {
    tested = await start();
    store = tested.store;
  });
  beforeEach(() => {
    tests += 1;
    prefix = `/contract/${tests}/`;
    controller = new AbortController();
    signal = controller.signal;
  });
  afterEach(() => controller.abort());

  const write = (...ops: Op[]) => store.txn({ if: [], then: ops });
  const all = () => prefixRange(prefix);
  const compactedRevision = async () => {
    const { revision } = await write(put(`${prefix}compaction`));
    await tested.compact(revision);
    return revision;
  };

  describe('get() and list()', () => {
    it('get() tells absent from empty, with the revision it is true for', async () => {
      const { revision } = await write(put(`${prefix}empty`));
      expect((await store.get(`${prefix}empty`)).kv?.value).to.equal('');
      const absent = await store.get(`${prefix}absent`);
      expect(absent.kv).to.equal(undefined);
      expect(absent.revision).to.equal(revision);
    });

    it('get() returns creation and change revision, and a new creation revision after delete and create', async () => {
      const key = `${prefix}a`;
      const first = await write(put(key, '1'));
      const second = await write(put(key, '2'));
      expect((await store.get(key)).kv).to.deep.equal({
        key,
        value: '2',
        createRevision: first.revision,
        modRevision: second.revision,
        leaseId: 0n,
      });
      await write({ type: 'delete', key });
      const third = await write(put(key, '3'));
      expect((await store.get(key)).kv?.createRevision).to.equal(third.revision);
    });

    it('list() returns the range in key order, without its end, more than fits a page', async () => {
      const keys = Array.from({ length: 1203 }, (_, i) => `${prefix}${String(i).padStart(5, '0')}`);
      for (let i = 0; i < keys.length; i += 128) await write(...keys.slice(i, i + 128).map((key) => put(key, key)));
      const { kvs } = await store.list(all());
      expect(kvs.map((kv) => kv.key)).to.deep.equal(keys);
      const part = await store.list({ start: `${prefix}00002`, end: `${prefix}00004` });
      expect(part.kvs.map((kv) => kv.value)).to.deep.equal([`${prefix}00002`, `${prefix}00003`]);
    });

    it('keeps umlauts and control characters of a value as they are', async () => {
      await write(put(`${prefix}a`, 'Zürich \0 \u{1F418}\n'));
      expect((await store.get(`${prefix}a`)).kv?.value).to.equal('Zürich \0 \u{1F418}\n');
    });
  });

  describe('txn()', () => {
    it('applies all operations of the branch taken at one revision, or none', async () => {
      const before = (await store.identity()).revision;
      const done = await write(put(`${prefix}a`, '1'), put(`${prefix}b`, '2'));
      expect(done.revision).to.equal(before + 1n);
      const refused = await store.txn({
        if: [{ key: `${prefix}a`, target: 'create', op: '=', value: 0n }],
        then: [put(`${prefix}a`, 'lost')],
        else: [
          { type: 'get', key: `${prefix}a` },
          { type: 'get', key: `${prefix}c` },
        ],
      });
      expect(refused.succeeded).to.equal(false);
      expect(refused.revision).to.equal(done.revision);
      expect(refused.reads.map((kv) => kv?.value)).to.deep.equal(['1', undefined]);
    });

    it('reads inside a transaction see what it wrote before them', async () => {
      const { reads, revision } = await write(put(`${prefix}a`, '1'), { type: 'get', key: `${prefix}a` });
      expect(reads[0]?.value).to.equal('1');
      expect(reads[0]?.modRevision).to.equal(revision);
    });

    it('deletes single keys and ranges; deleting nothing makes no revision', async () => {
      const { revision } = await write(put(`${prefix}a`), put(`${prefix}b/1`), put(`${prefix}b/2`), put(`${prefix}c`));
      const range: KeyRange = prefixRange(`${prefix}b/`);
      const gone = await write({ type: 'delete', key: `${prefix}a` }, { type: 'deleteRange', range });
      expect(gone.revision).to.equal(revision + 1n);
      expect((await store.list(all())).kvs.map((kv) => kv.key)).to.deep.equal([`${prefix}c`]);
      expect((await write({ type: 'delete', key: `${prefix}a` })).revision).to.equal(gone.revision);
    });

    const compares: [target: 'create' | 'mod' | 'lease', actual: 'created' | 'changed' | 'none'][] = [
      ['create', 'created'],
      ['mod', 'changed'],
      ['lease', 'none'],
    ];
    for (const [target, which] of compares) {
      it(`compares ${target} with =, !=, < and >; an absent key has 0`, async () => {
        const key = `${prefix}a`;
        const created = (await write(put(key, '1'))).revision;
        const changed = (await write(put(key, '2'))).revision;
        const actual = { created, changed, none: 0n }[which];
        const holds = async (on: string, op: '=' | '!=' | '<' | '>', value: bigint) =>
          (await store.txn({ if: [{ key: on, target, op, value }], then: [] })).succeeded;
        for (const [on, truth] of [
          [key, actual],
          [`${prefix}absent`, 0n],
        ] as const) {
          expect(await holds(on, '=', truth)).to.equal(true);
          expect(await holds(on, '!=', truth)).to.equal(false);
          expect(await holds(on, '<', truth + 1n)).to.equal(true);
          expect(await holds(on, '<', truth)).to.equal(false);
          expect(await holds(on, '>', truth)).to.equal(false);
          expect(await holds(on, '>', truth - 1n)).to.equal(true);
        }
      });
    }

    it('compares values as bytes, and an absent key fails every comparison of its value', async () => {
      await write(put(`${prefix}a`, '30005'));
      const holds = async (key: string, op: '=' | '!=' | '<' | '>', value: string) =>
        (await store.txn({ if: [{ key, target: 'value', op, value }], then: [] })).succeeded;
      expect(await holds(`${prefix}a`, '=', '30005')).to.equal(true);
      expect(await holds(`${prefix}a`, '!=', '30005')).to.equal(false);
      expect(await holds(`${prefix}a`, '!=', '30006')).to.equal(true);
      expect(await holds(`${prefix}a`, '<', '30006')).to.equal(true);
      expect(await holds(`${prefix}a`, '<', '30005')).to.equal(false);
      expect(await holds(`${prefix}a`, '>', '30004')).to.equal(true);
      expect(await holds(`${prefix}a`, '>', '4')).to.equal(false);
      for (const op of ['=', '!=', '<', '>'] as const) expect(await holds(`${prefix}absent`, op, '')).to.equal(false);
    });

    it('writes what is conditional only when its condition held before, whatever it says of the rest', async () => {
      const key = `${prefix}next`;
      await write(put(key, '30005'));
      const further = (value: string): Op => ({
        type: 'when',
        if: [{ key, target: 'value', op: '<', value }],
        then: [put(key, value)],
      });
      const [first, second] = [put(`${prefix}a`, '1'), put(`${prefix}b`, '1')];
      expect(await write(first, further('30006'))).to.deep.include({ succeeded: true, held: [true] });
      expect(await write(further('30006'), second)).to.deep.include({ succeeded: true, held: [false] });
      expect((await write(further('30004'), { type: 'get', key })).reads[0]?.value).to.equal('30006');
      const absent = { key: `${prefix}c`, target: 'create', op: '=', value: 0n } as const;
      await write(put(`${prefix}c`, '1'), { type: 'when', if: [absent], then: [{ type: 'delete', key }] });
      expect((await store.list(all())).kvs.map((kv) => kv.key.slice(prefix.length))).to.deep.equal(['a', 'b', 'c']);
    });

    it('raises a value and never lowers it; what is absent stays absent', async () => {
      const raise = async (name: string, value: string) =>
        (await write({ type: 'raise', key: prefix + name, value }, { type: 'get', key: prefix + name })).reads[0]
          ?.value;
      await write(put(`${prefix}a`, '30005'));
      expect(await raise('a', '30007')).to.equal('30007');
      expect(await raise('a', '30006')).to.equal('30007');
      expect(await raise('b', '30006')).to.equal(undefined);
    });

    it('makes no revision of what is conditional and does not hold', async () => {
      const { revision } = await write(put(`${prefix}a`, '1'));
      const never = { key: `${prefix}a`, target: 'create', op: '=', value: 0n } as const;
      const done = await write({ type: 'when', if: [never], then: [put(`${prefix}a`, '2')] });
      expect(done.revision).to.equal(revision);
    });

    it('refuses a key written twice, in either branch, and applies nothing', async () => {
      const twice = [put(`${prefix}a`, '1'), put(`${prefix}a`, '2')];
      await expectCode('invalid', () => write(...twice));
      await expectCode('invalid', () => store.txn({ if: [], then: [], else: twice }));
      await expectCode('invalid', () => write(put(`${prefix}a`), { type: 'delete', key: `${prefix}a` }));
      await expectCode('invalid', () => write({ type: 'deleteRange', range: all() }, put(`${prefix}a`)));
      const conditional: Op = { type: 'when', if: [], then: [put(`${prefix}a`)] };
      await expectCode('invalid', () => write(put(`${prefix}a`), conditional));
      expect((await store.get(`${prefix}a`)).kv).to.equal(undefined);
    });

    it('takes 128 operations and refuses 129', async () => {
      const puts = Array.from({ length: 129 }, (_, i) => put(`${prefix}${i}`));
      await write(...puts.slice(0, 128));
      await expectCode('invalid', () => write(...puts));
    });

    it('refuses a put on a lease that is gone', async () => {
      const lease = await store.lease(60);
      await lease.revoke();
      await expectCode('lease-lost', () => write(put(`${prefix}a`, '', lease.id)));
    });

    it('rejects with the reason of a signal that is aborted', async () => {
      controller.abort(new Error('enough'));
      const error = await failure(() => store.txn({ if: [], then: [put(`${prefix}a`)] }, { signal }));
      expect(error).to.have.property('message', 'enough');
    });
  });

  describe('watch()', () => {
    it('replays what happened since a past revision, then goes on live, in order and each once', async () => {
      const first = await write(put(`${prefix}a`, '1'), put(`${prefix}b`, '1'));
      await write({ type: 'delete', key: `${prefix}a` });
      const watch = store.watch(all(), first.revision, { signal });
      expect(await collect(watch, 3)).to.deep.equal(['a=1', 'b=1', '-a']);
      const [live] = await Promise.all([
        collect(watch, 2),
        tested.other.txn({ if: [], then: [put(`${prefix}c`, '1')] }).then(() => write(put(`${prefix}c`, '2'))),
      ]);
      expect(live).to.deep.equal(['c=1', 'c=2']);
    });

    it('keeps the events of one revision together and says how far it is', async () => {
      const { revision } = await write(
        ...Array.from({ length: 128 }, (_, i) => put(`${prefix}${i}`, 'x'.repeat(5000))),
      );
      const { value } = await store.watch(all(), revision, { signal }).next();
      expect(value.events).to.have.length(128);
      expect(value.revision).to.equal(revision);
    });

    it('delivers nothing from outside the range', async () => {
      const { revision } = await write(put(`${prefix}a`, '1'), put(`${prefix}b`, '1'), put(`${prefix}c`, '1'));
      const watch = store.watch({ start: `${prefix}b`, end: `${prefix}c` }, revision, { signal });
      expect(await collect(watch, 1)).to.deep.equal(['b=1']);
    });

    it('throws CompactedError when the store is behind it: restored from a backup, or another one', async () => {
      const { revision } = await write(put(`${prefix}a`, '1'));
      const error = await failure(() => store.watch(all(), revision + 10n, { signal }).next());
      expect(error).to.be.instanceOf(CompactedError);
      expect((error as Error).message).to.include('the store went back');
    });

    it('says when the server has confirmed it', async () => {
      const { revision } = await write(put(`${prefix}a`));
      await new Promise<void>((resolve) => {
        const watch = store.watch(all(), revision + 1n, { signal, onConnect: resolve });
        watch.next().catch(() => {});
      });
    });

    it('throws CompactedError when the history it needs is gone, and begins at the compacted revision itself', async () => {
      const { revision } = await write(put(`${prefix}a`, '1'));
      const compacted = await compactedRevision();
      const error = await failure(() => store.watch(all(), revision, { signal }).next());
      expect(error).to.be.instanceOf(CompactedError);
      expect((error as CompactedError).compactRevision).to.equal(compacted);
      expect(await collect(store.watch(all(), compacted, { signal }), 1)).to.deep.equal(['compaction=']);
    });

    it('ends with the reason of its signal, while waiting and before it began', async () => {
      const { revision } = await write(put(`${prefix}a`));
      const watch = store.watch(all(), revision + 1n, { signal });
      const waiting = failure(() => watch.next());
      await write(put('/contract/elsewhere'));
      controller.abort(new Error('enough'));
      expect(await waiting).to.have.property('message', 'enough');
      const late = store.watch(all(), revision, { signal });
      expect(await failure(() => late.next())).to.have.property('message', 'enough');
    });

    it('can be left early', async () => {
      const { revision } = await write(put(`${prefix}a`, '1'));
      for await (const batch of store.watch(all(), revision, { signal })) {
        expect(names(batch)).to.deep.equal(['a=1']);
        break;
      }
    });
  });

  describe('lease()', () => {
    it('keeps its keys beyond its ttl, and revoke() deletes all of them in one revision', async () => {
      const lease = await store.lease(2);
      const { revision } = await write(put(`${prefix}a`, '', lease.id), put(`${prefix}b`, '', lease.id));
      await tested.pass(4);
      expect(lease.lost.aborted).to.equal(false);
      expect((await store.get(`${prefix}a`)).kv?.leaseId).to.equal(lease.id);
      await lease.revoke();
      expect(lease.lost.aborted).to.equal(true);
      const watch = store.watch(all(), revision + 1n, { signal });
      const { value } = await watch.next();
      expect(names(value)).to.deep.equal(['-a', '-b']);
    });

    it('abandon() lets the keys stay until the ttl is over', async () => {
      const lease = await store.lease(2);
      await write(put(`${prefix}a`, '', lease.id));
      lease.abandon();
      expect((await store.get(`${prefix}a`)).kv?.leaseId).to.equal(lease.id);
      await tested.pass(5);
      expect((await store.get(`${prefix}a`)).kv).to.equal(undefined);
    });

    it('joinLease() keeps it alive after whoever obtained it has gone', async () => {
      const lease = await store.lease(2);
      await write(put(`${prefix}a`, '', lease.id));
      const joined = await tested.other.joinLease(lease.id);
      expect(joined?.id).to.equal(lease.id);
      lease.abandon();
      await tested.pass(5);
      expect((await store.get(`${prefix}a`)).kv?.leaseId).to.equal(lease.id);
      await joined?.revoke();
      expect((await store.get(`${prefix}a`)).kv).to.equal(undefined);
      expect(await store.joinLease(lease.id)).to.equal(undefined);
    });

    it('a put without the lease takes the key off it', async () => {
      const lease = await store.lease(60);
      await write(put(`${prefix}a`, '', lease.id));
      await write(put(`${prefix}a`, 'mine'));
      await lease.revoke();
      expect((await store.get(`${prefix}a`)).kv?.value).to.equal('mine');
    });
  });

  describe('identity() and close()', () => {
    it('identity() is the same for all clients of one store, and its revision grows', async () => {
      const before = await store.identity();
      await write(put(`${prefix}a`));
      const after = await tested.other.identity();
      expect(after.clusterId).to.equal(before.clusterId).and.not.equal('');
      expect(Number(after.revision)).to.be.greaterThan(Number(before.revision));
    });

    // Last: it closes the other client.
    it('close() ends watches and leases of this client, and refuses calls', async () => {
      const { other } = tested;
      const lease = await other.lease(60);
      const { revision } = await write(put(`${prefix}a`));
      const watching = failure(() => other.watch(all(), revision + 1n, { signal }).next());
      await other.get(`${prefix}a`);
      await other.close();
      expect(await watching).to.have.property('code', 'unavailable');
      expect(lease.lost.aborted).to.equal(true);
      await expectCode('unavailable', () => other.get(`${prefix}a`));
    });
  });

  function names(batch: WatchBatch): string[] {
    return batch.events.map((event) =>
      event.type === 'put'
        ? `${event.kv.key.slice(prefix.length)}=${event.kv.value}`
        : `-${event.key.slice(prefix.length)}`,
    );
  }

  async function collect(watch: AsyncGenerator<WatchBatch, never, void>, count: number): Promise<string[]> {
    const seen: string[] = [];
    while (seen.length < count) seen.push(...names((await watch.next()).value));
    return seen;
  }
}

async function failure(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure, got none');
}

async function expectCode(code: StoreErrorCode, call: () => Promise<unknown>): Promise<void> {
  const error = await failure(call);
  expect(error).to.be.instanceOf(StoreError);
  expect(error).to.have.property('code', code);
}
