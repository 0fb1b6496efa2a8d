import { expect } from 'chai';
import type { Backend } from '../../src/kv/backend.ts';
import { KvError } from '../../src/kv/kv-error.ts';
import type { BackendOptions } from '../../src/kv/open-backend.ts';
import type { Clock } from '../../src/time/clock.ts';
import { Recorder } from '../kv/support/recorder.ts';
import {
  compare,
  compareValue,
  del,
  everything,
  line,
  op,
  put,
  range,
  toEnd,
  txn,
  watch,
} from '../kv/support/requests.ts';

export interface KvBackendFixture {
  /** Opens an empty store. */
  open(options: Partial<BackendOptions> & { readonly clock?: Clock }): Promise<Backend>;
  /** Takes away what `open` made. */
  close(): Promise<void>;
}

/** What every storage engine must do behind a backend: etcd's semantics. */
export function testKvBackend(name: string, fixture: KvBackendFixture): void {
  describe(`kv backend on ${name}`, () => {
    let backend: Backend;

    beforeEach(async () => {
      backend = await fixture.open({});
    });
    afterEach(() => fixture.close());

    const lines = async (request = everything()) => (await backend.range(request)).kvs.map(line);

    describe('range()', () => {
      it('answers with revision 1 when the store is empty', async () => {
        expect(await backend.range(everything())).to.deep.equal({ revision: 1n, kvs: [], more: false, count: 0n });
        expect(backend.revision).to.equal(1n);
      });

      it('finds one key, a range, everything from a key on, and nothing when the end is not after the key', async () => {
        for (const key of ['a', 'b', 'b\0', 'ba', 'c']) await backend.put(put(key, key));
        expect(await lines(range('b'))).to.deep.equal(['b=b@3']);
        expect(await lines(range('b', 'c'))).to.deep.equal(['b=b@3', 'b\0=b\0@4', 'ba=ba@5']);
        expect(await lines(range('b\0', toEnd))).to.deep.equal(['b\0=b\0@4', 'ba=ba@5', 'c=c@6']);
        expect(await lines(range('c', 'b'))).to.deep.equal([]);
        expect(await lines(range('b', 'b'))).to.deep.equal([]);
      });

      it('counts all keys of the range, whatever limit and filters leave', async () => {
        for (const key of ['a', 'b', 'c', 'd']) await backend.put(put(key, '1'));
        const limited = await backend.range(range('a', 'z', { limit: 2n }));
        expect([limited.kvs.map(line), limited.more, limited.count]).to.deep.equal([['a=1@2', 'b=1@3'], true, 4n]);
        const exact = await backend.range(range('a', 'z', { limit: 4n }));
        expect([exact.kvs.length, exact.more, exact.count]).to.deep.equal([4, false, 4n]);
        const filtered = await backend.range(range('a', 'z', { minModRevision: 3n, maxModRevision: 4n, limit: 1n }));
        expect([filtered.kvs.map(line), filtered.more, filtered.count]).to.deep.equal([['b=1@3'], true, 4n]);
        const counted = await backend.range(range('a', 'z', { countOnly: true, limit: 1n }));
        expect([counted.kvs, counted.more, counted.count]).to.deep.equal([[], false, 4n]);
      });

      it('sorts by every target, ascending when only a target is named, and leaves values out on request', async () => {
        await backend.put(put('a', '3'));
        await backend.put(put('b', '1'));
        await backend.put(put('c', '2'));
        await backend.put(put('a', '9'));
        const keys = async (rest: object) =>
          (await backend.range(everything(rest))).kvs.map(({ key }) => key.toString()).join('');
        expect(await keys({ sortTarget: 'VALUE' })).to.equal('bca');
        expect(await keys({ sortTarget: 'MOD' })).to.equal('bca');
        expect(await keys({ sortTarget: 'CREATE', sortOrder: 'DESCEND' })).to.equal('cba');
        expect(await keys({ sortTarget: 'VERSION', sortOrder: 'DESCEND', limit: 1n })).to.equal('a');
        expect(await keys({ sortOrder: 'DESCEND', limit: 2n })).to.equal('cb');
        expect(await lines(everything({ sortTarget: 'VALUE', sortOrder: 'DESCEND', keysOnly: true }))).to.deep.equal([
          'a=@5 v2 c2',
          'c=@4',
          'b=@3',
        ]);
      });

      it('reads the past: overwritten, deleted and later keys as they were', async () => {
        await backend.put(put('a', '1'));
        await backend.put(put('b', '1'));
        await backend.put(put('a', '2'));
        await backend.deleteRange(del('b'));
        await backend.put(put('b', '3'));
        expect(await lines(everything({ revision: 2n }))).to.deep.equal(['a=1@2']);
        expect(await lines(everything({ revision: 3n }))).to.deep.equal(['a=1@2', 'b=1@3']);
        expect(await lines(everything({ revision: 4n }))).to.deep.equal(['a=2@4 v2 c2', 'b=1@3']);
        expect(await lines(everything({ revision: 5n }))).to.deep.equal(['a=2@4 v2 c2']);
        expect(await lines(everything({ revision: 6n }))).to.deep.equal(['a=2@4 v2 c2', 'b=3@6']);
        expect(await lines(range('b', '', { revision: 4n }))).to.deep.equal(['b=1@3']);
        const past = await backend.range(everything({ revision: 3n, limit: 1n }));
        expect([past.revision, past.more, past.count]).to.deep.equal([6n, true, 2n]);
      });

      it('refuses what etcd refuses', async () => {
        await refused(backend.range(range('')), 'InvalidArgument', 'etcdserver: key is not provided');
        await refused(
          backend.range(everything({ revision: 2n })),
          'OutOfRange',
          'etcdserver: mvcc: required revision is a future revision',
        );
      });
    });

    describe('put() and deleteRange()', () => {
      it('put() counts versions, keeps the create revision, and tells what was there before', async () => {
        expect(await backend.put(put('a', '1'))).to.deep.equal({ revision: 2n, prevKv: undefined });
        const second = await backend.put(put('a', '2', { prevKv: true }));
        expect([second.revision, second.prevKv && line(second.prevKv)]).to.deep.equal([3n, 'a=1@2']);
        await backend.deleteRange(del('a'));
        await backend.put(put('a', '3'));
        expect(await lines()).to.deep.equal(['a=3@5']);
      });

      it('put() keeps value or lease on request, and refuses both for a key that is not there', async () => {
        const { id } = await backend.leaseGrant({ id: 7n, ttl: 60n });
        await backend.put(put('a', '1', { lease: id }));
        await backend.put(put('a', '2', { ignoreLease: true }));
        expect(await lines()).to.deep.equal(['a=2@3 v2 c2 l7']);
        await backend.put(put('a', '', { ignoreValue: true }));
        expect(await lines()).to.deep.equal(['a=2@4 v3 c2']);
        const texts = ['value is provided', 'lease is provided', 'key not found', 'key is not provided'];
        const puts = [
          put('a', '1', { ignoreValue: true }),
          put('a', '1', { ignoreLease: true, lease: 7n }),
          put('new', '', { ignoreValue: true }),
          put('', ''),
        ];
        for (const [index, request] of puts.entries()) {
          await refused(backend.put(request), 'InvalidArgument', `etcdserver: ${texts[index]}`);
        }
        await refused(backend.put(put('a', '', { lease: 9n })), 'NotFound', 'etcdserver: requested lease not found');
        expect(backend.revision).to.equal(4n);
      });

      it('deleteRange() deletes in one revision, and makes none when there is nothing to delete', async () => {
        for (const key of ['a', 'b', 'c']) await backend.put(put(key, key));
        const gone = await backend.deleteRange(del('a', 'c', true));
        expect([gone.revision, gone.deleted, gone.prevKvs.map(line)]).to.deep.equal([5n, 2n, ['a=a@2', 'b=b@3']]);
        expect(await backend.deleteRange(del('a', 'c', true))).to.deep.equal({
          revision: 5n,
          deleted: 0n,
          prevKvs: [],
        });
        expect(await lines()).to.deep.equal(['c=c@4']);
      });

      it('give each of many concurrent writes a revision of its own, in the order in which they came', async () => {
        const answers = await Promise.all(
          Array.from({ length: 200 }, (_, n) => backend.put(put(`k${n % 20}`, `${n}`))),
        );
        expect(answers.map(({ revision }) => revision)).to.deep.equal(answers.map((_, n) => BigInt(n + 2)));
        expect(await lines(range('k3'))).to.deep.equal(['k3=183@185 v10 c5']);
      });

      it('accept 1.5 MB and refuse 1.6 MB', async () => {
        await backend.put(put('a', 'x'.repeat(1_500_000)));
        expect((await backend.range(range('a'))).kvs[0]?.value.length).to.equal(1_500_000);
        await refused(
          backend.put(put('a', 'x'.repeat(1_600_000))),
          'InvalidArgument',
          'etcdserver: request is too large',
        );
      });
    });

    describe('txn()', () => {
      it('writes in one revision, and shows its own writes to what comes after them', async () => {
        await backend.put(put('a', '1'));
        const answer = await backend.txn(
          txn(
            [compare('MOD', 'a', 'EQUAL', 2n)],
            [
              op.range(range('a')),
              op.put(put('a', '2')),
              op.put(put('b', '2')),
              op.range(everything()),
              op.txn(txn([compareValue('a', 'EQUAL', '1')], [op.range(range('b'))])),
              op.del(del('x')),
            ],
          ),
        );
        expect([answer.revision, answer.succeeded]).to.deep.equal([3n, true]);
        const [before, , putB, after, nested, deletion] = answer.responses;
        expect(before?.kind === 'range' && [before.response.revision, before.response.kvs.map(line)]).to.deep.equal([
          2n,
          ['a=1@2'],
        ]);
        expect(putB?.response.revision).to.equal(3n);
        expect(after?.kind === 'range' && after.response.kvs.map(line)).to.deep.equal(['a=2@3 v2 c2', 'b=2@3']);
        expect(nested?.kind === 'txn' && [nested.response.succeeded, nested.response.revision]).to.deep.equal([
          true,
          0n,
        ]);
        expect(deletion?.response.revision).to.equal(3n);
      });

      it('takes the other branch when a condition does not hold, and makes no revision without a write', async () => {
        const answer = await backend.txn(
          txn(
            [compare('CREATE', 'a', 'GREATER', 0n)],
            [op.put(put('a', '1'))],
            [op.range(range('a')), op.del(del('a'))],
          ),
        );
        expect([answer.revision, answer.succeeded, answer.responses.length]).to.deep.equal([1n, false, 2]);
      });

      it('compares a missing key as zeros, never its value, and every key of a range', async () => {
        await backend.put(put('a', '1'));
        await backend.put(put('b', '2'));
        const holds = async (...conditions: Parameters<typeof txn>[0]) =>
          (await backend.txn(txn(conditions, []))).succeeded;
        expect(await holds(compare('VERSION', 'x', 'EQUAL', 0n), compare('MOD', 'x', 'LESS', 1n))).to.equal(true);
        expect(await holds(compare('LEASE', 'x', 'EQUAL', 0n), compare('CREATE', 'x', 'NOT_EQUAL', 1n))).to.equal(true);
        expect(await holds(compareValue('x', 'NOT_EQUAL', '1'))).to.equal(false);
        expect(await holds(compareValue('x', 'EQUAL', ''))).to.equal(false);
        expect(await holds(compare('VERSION', 'a', 'EQUAL', 1n, 'c'))).to.equal(true);
        expect(await holds(compareValue('a', 'LESS', '2', 'c'))).to.equal(false);
        expect(await holds(compareValue('a', 'GREATER', '0', 'c'))).to.equal(true);
        expect(await holds({ ...compare('VERSION', 'a', 'EQUAL', 0n), with: { kind: 'CREATE', number: 1n } })).to.equal(
          false,
        );
      });

      it('refuses keys that are written twice, but not deletions that overlap or branches that exclude each other', async () => {
        const twice = [op.put(put('a', '1')), op.put(put('a', '2'))];
        const overlap = [op.put(put('b', '1')), op.del(del('a', 'c'))];
        const nested = [op.put(put('a', '1')), op.txn(txn([], [], [op.put(put('a', '2'))]))];
        for (const ops of [twice, overlap, nested]) {
          const request = txn([], ops);
          await refused(backend.txn(request), 'InvalidArgument', 'etcdserver: duplicate key given in txn request');
        }
        await backend.txn(txn([], [op.del(del('a', 'c')), op.del(del('b', 'd'))]));
        await backend.txn(txn([], [op.put(put('a', '1'))], [op.put(put('a', '2'))]));
        await backend.txn(txn([], [op.txn(txn([], [op.put(put('b', '1'))], [op.put(put('b', '2'))]))]));
        expect(await lines()).to.deep.equal(['a=1@2', 'b=1@3']);
      });

      it('lets a key be put and deleted in one revision through an end of zero, as etcd does', async () => {
        await backend.txn(txn([], [op.put(put('a', '1')), op.del(del('a', toEnd))]));
        expect(await lines()).to.deep.equal([]);
        await backend.txn(txn([], [op.del(del('a', toEnd)), op.put(put('a', '2'))]));
        expect(await lines()).to.deep.equal(['a=2@3']);
        await backend.txn(txn([], [op.del(del('a', toEnd)), op.put(put('a', '3'))]));
        expect(await lines()).to.deep.equal(['a=3@4']);
        expect(await lines(everything({ revision: 3n }))).to.deep.equal(['a=2@3']);
        expect(await lines(everything({ revision: 2n }))).to.deep.equal([]);
      });

      it('takes 128 operations and refuses 129, and operations of no kind', async () => {
        const puts = (count: number) => Array.from({ length: count }, (_, n) => op.put(put(`k${n}`, '')));
        await backend.txn(txn([], puts(128)));
        await refused(
          backend.txn(txn([], puts(129))),
          'InvalidArgument',
          'etcdserver: too many operations in txn request',
        );
        await refused(backend.txn(txn([], [{ kind: 'none' }])), 'InvalidArgument', 'etcdserver: key not found');
        const empty = txn([compare('MOD', '', 'EQUAL', 0n)], []);
        await refused(backend.txn(empty), 'InvalidArgument', 'etcdserver: key is not provided');
      });

      it('leaves nothing behind when one of its operations is refused', async () => {
        const put1 = op.put(put('a', '1'));
        const noLease = txn([], [put1, op.put(put('b', '1', { lease: 5n }))]);
        await refused(backend.txn(noLease), 'NotFound', 'etcdserver: requested lease not found');
        const future = txn([], [put1, op.txn(txn([], [op.range(range('a', '', { revision: 9n }))]))]);
        await refused(backend.txn(future), 'OutOfRange', 'etcdserver: mvcc: required revision is a future revision');
        expect([backend.revision, await lines()]).to.deep.equal([1n, []]);
        // The branch that is not taken is not looked at.
        await backend.txn(txn([], [put1], [op.put(put('b', '1', { lease: 5n }))]));
        expect(await lines()).to.deep.equal(['a=1@2']);
      });

      it('decides between concurrent transactions: exactly one creates a key', async () => {
        const create = (value: string) =>
          backend.txn(txn([compare('CREATE', 'a', 'EQUAL', 0n)], [op.put(put('a', value))], [op.range(range('a'))]));
        const answers = await Promise.all(['1', '2', '3'].map(create));
        expect(answers.map(({ succeeded }) => succeeded)).to.deep.equal([true, false, false]);
        expect(await lines()).to.deep.equal(['a=1@2']);
      });
    });

    describe('compact()', () => {
      it('forgets the past and keeps the newest version of each key at the revision', async () => {
        await backend.put(put('a', '1'));
        await backend.put(put('a', '2'));
        await backend.put(put('b', '1'));
        await backend.deleteRange(del('b'));
        await backend.put(put('a', '3'));
        expect(await backend.compact({ revision: 4n, physical: true })).to.deep.equal({ revision: 6n });
        expect(backend.status().compactRevision).to.equal(4n);
        await refused(
          backend.range(everything({ revision: 3n })),
          'OutOfRange',
          'etcdserver: mvcc: required revision has been compacted',
        );
        expect(await lines(everything({ revision: 4n }))).to.deep.equal(['a=2@3 v2 c2', 'b=1@4']);
        expect(await lines(everything({ revision: 5n }))).to.deep.equal(['a=2@3 v2 c2']);
        await backend.compact({ revision: 6n, physical: true });
        expect(await lines(everything({ revision: 6n }))).to.deep.equal(['a=3@6 v3 c2']);
        expect(await lines()).to.deep.equal(['a=3@6 v3 c2']);
      });

      it('refuses a revision that was compacted or is not there yet', async () => {
        const compacted = 'etcdserver: mvcc: required revision has been compacted';
        await backend.put(put('a', '1'));
        await backend.compact({ revision: 0n, physical: false });
        await refused(backend.compact({ revision: 0n, physical: false }), 'OutOfRange', compacted);
        await backend.compact({ revision: 2n, physical: false });
        await refused(backend.compact({ revision: 2n, physical: false }), 'OutOfRange', compacted);
        await refused(
          backend.compact({ revision: 3n, physical: false }),
          'OutOfRange',
          'etcdserver: mvcc: required revision is a future revision',
        );
      });
    });

    describe('watch()', () => {
      it('delivers what happens after it began, whole revisions with the revision that they lead to', async () => {
        await backend.put(put('a', '0'));
        const recorder = new Recorder(backend, watch('a', 'c'));
        expect([recorder.watch.isSynced, recorder.watch.revision]).to.deep.equal([true, 2n]);
        await backend.put(put('a', '1'));
        await backend.put(put('c', '1'));
        await backend.txn(txn([], [op.put(put('b', '1')), op.del(del('a')), op.put(put('d', '1'))]));
        expect(await recorder.atLeast(3)).to.deep.equal(['a=1@3 v2 c2', 'b=1@5', '-a@5']);
        expect(recorder.deliveries.map(({ revision }) => revision)).to.deep.equal([3n, 5n]);
        expect(recorder.watch.revision).to.equal(5n);
      });

      it('delivers history and then what happens, without gap or double, while writes go on', async () => {
        const writes: Promise<unknown>[] = [];
        for (let n = 0; n < 50; n += 1) await backend.put(put(`k${n % 5}`, `${n}`));
        const recorders = [2n, 20n, 51n, 52n, 60n, 0n].map(
          (startRevision) => new Recorder(backend, watch('k', 'l', { startRevision })),
        );
        for (let n = 50; n < 100; n += 1) {
          writes.push(backend.put(put(`k${n % 5}`, `${n}`)));
          if (n % 10 === 0) await writes.at(-1);
        }
        await Promise.all(writes);
        const [first, second, third, fourth, fifth, live] = await Promise.all(
          recorders.map((recorder) => recorder.until(() => recorder.events.at(-1)?.kv.modRevision === 101n)),
        );
        const revisions = (recorder: Recorder | undefined) => recorder?.events.map(({ kv }) => Number(kv.modRevision));
        const from = (start: number) => Array.from({ length: 102 - start }, (_, n) => n + start);
        expect(revisions(first)).to.deep.equal(from(2));
        expect(revisions(second)).to.deep.equal(from(20));
        expect(revisions(third)).to.deep.equal(from(51));
        expect(revisions(fourth)).to.deep.equal(from(52));
        expect(revisions(fifth)).to.deep.equal(from(60));
        expect(revisions(live)).to.deep.equal(from(52));
      });

      it('tells previous versions, live and from history, and filters', async () => {
        const request = { prevKv: true };
        const live = new Recorder(backend, watch('a', '', request));
        const noPut = new Recorder(backend, watch('a', '', { noPut: true }));
        const noDelete = new Recorder(backend, watch('a', '', { noDelete: true }));
        await backend.put(put('a', '1'));
        await backend.put(put('a', '2'));
        await backend.deleteRange(del('a'));
        await backend.put(put('a', '3'));
        const expected = ['a=1@2', 'a=2@3 v2 c2 was a=1@2', '-a@4 was a=2@3 v2 c2', 'a=3@5'];
        expect(await live.atLeast(4)).to.deep.equal(expected);
        const history = new Recorder(backend, watch('a', '', { ...request, startRevision: 2n }));
        expect(await history.atLeast(4)).to.deep.equal(expected);
        expect(await noPut.atLeast(1)).to.deep.equal(['-a@4']);
        expect(await noDelete.atLeast(3)).to.deep.equal(['a=1@2', 'a=2@3 v2 c2', 'a=3@5']);
        const deletions = new Recorder(backend, watch('a', '', { noPut: true, startRevision: 1n }));
        expect(await deletions.atLeast(1)).to.deep.equal(['-a@4']);
      });

      it('serves one that was full from history, from where it stopped', async () => {
        const recorder = new Recorder(backend, watch('a'), 1);
        for (let n = 0; n < 20; n += 1) await backend.put(put('a', `${n}`));
        expect([recorder.events.length, recorder.watch.isSynced, recorder.watch.revision]).to.deep.equal([
          1,
          false,
          2n,
        ]);
        recorder.room = Number.POSITIVE_INFINITY;
        recorder.watch.resume();
        await recorder.atLeast(20);
        expect(recorder.events.map(({ kv }) => Number(kv.modRevision))).to.deep.equal(
          Array.from({ length: 20 }, (_, n) => n + 2),
        );
        await backend.put(put('a', 'live again'));
        expect((await recorder.atLeast(21)).at(-1)).to.equal('a=live again@22 v21 c2');
      });

      it('begins at the compact revision, and is over when it needs what is below', async () => {
        for (let n = 0; n < 10; n += 1) await backend.put(put('a', `${n}`));
        const behind = new Recorder(backend, watch('a', '', { startRevision: 2n }), 0);
        await behind.atLeast(1);
        await backend.compact({ revision: 6n, physical: true });
        const at = new Recorder(backend, watch('a', '', { startRevision: 6n, prevKv: true }));
        expect((await at.atLeast(6)).slice(0, 2)).to.deep.equal(['a=4@6 v5 c2', 'a=5@7 v6 c2 was a=4@6 v5 c2']);
        const below = new Recorder(backend, watch('a', '', { startRevision: 5n }));
        expect((await below.until(() => below.compactRevision !== undefined)).compactRevision).to.equal(6n);
        expect(below.events).to.deep.equal([]);
      });

      it('waits for a start revision in the future', async () => {
        const recorder = new Recorder(backend, watch('a', '', { startRevision: 4n }));
        for (const value of ['1', '2', '3', '4']) await backend.put(put('a', value));
        expect(await recorder.atLeast(2)).to.deep.equal(['a=3@4 v3 c2', 'a=4@5 v4 c2']);
      });

      it('finds watches of overlapping ranges, of everything, and none that was cancelled', async () => {
        const ranges = [['a', 'c'], ['b', toEnd], ['b'], ['\0', toEnd], ['a', 'b'], ['bb', 'bc'], ['c', 'd']] as const;
        const recorders = ranges.map(([key, end]) => new Recorder(backend, watch(key, end)));
        const cancelled = new Recorder(backend, watch('b', 'c'));
        cancelled.watch.cancel();
        cancelled.watch.cancel();
        await backend.put(put('b', '1'));
        expect(recorders.map(({ lines }) => lines.length)).to.deep.equal([1, 1, 1, 1, 0, 0, 0]);
        expect(cancelled.lines).to.deep.equal([]);
      });
    });

    describe('leases', () => {
      it('attach keys to the lease they were last put with, and delete them in one revision when revoked', async () => {
        await backend.leaseGrant({ id: 5n, ttl: 60n });
        await backend.leaseGrant({ id: 6n, ttl: 70n });
        for (const key of ['c', 'a', 'b', 'd']) await backend.put(put(key, '1', { lease: 5n }));
        await backend.put(put('b', '2', { lease: 6n }));
        await backend.put(put('d', '2'));
        const status = await backend.leaseTimeToLive(5n, true);
        expect([status.grantedTtl, status.keys.map(String)]).to.deep.equal([60n, ['a', 'c']]);
        expect((await backend.leaseTimeToLive(5n, false)).keys).to.deep.equal([]);
        expect(await backend.leases()).to.deep.equal([5n, 6n]);
        const recorder = new Recorder(backend, watch('\0', toEnd));
        expect(await backend.leaseRevoke(5n)).to.deep.equal({ revision: 8n });
        expect(await recorder.atLeast(2)).to.deep.equal(['-a@8', '-c@8']);
        expect(await lines()).to.deep.equal(['b=2@6 v2 c4 l6', 'd=2@7 v2 c5']);
        expect(await backend.leases()).to.deep.equal([6n]);
      });

      it('follow etcd’s limits and refusals', async () => {
        expect((await backend.leaseGrant({ id: 1n, ttl: 1n })).ttl).to.equal(2n);
        expect((await backend.leaseGrant({ id: 0n, ttl: 30n })).id > 0n).to.equal(true);
        const tooLarge = backend.leaseGrant({ id: 0n, ttl: 9_000_000_001n });
        await refused(tooLarge, 'OutOfRange', 'etcdserver: too large lease TTL');
        await refused(
          backend.leaseGrant({ id: 1n, ttl: 9n }),
          'FailedPrecondition',
          'etcdserver: lease already exists',
        );
        await refused(backend.leaseRevoke(99n), 'NotFound', 'etcdserver: requested lease not found');
        expect(await backend.leaseKeepAlive(99n)).to.equal(0n);
        expect(await backend.leaseTimeToLive(99n, true)).to.deep.equal({ ttl: -1n, grantedTtl: 0n, keys: [] });
        expect(await backend.leaseKeepAlive(1n)).to.equal(2n);
        expect(backend.revision).to.equal(1n);
      });
    });

    describe('the rest', () => {
      it('keeps settings apart from the keys', async () => {
        await backend.setMeta('user/b', Buffer.from('2'));
        await backend.setMeta('user/a', Buffer.from('1'));
        await backend.setMeta('role/a', Buffer.from('3'));
        expect(String(await backend.getMeta('user/a'))).to.equal('1');
        expect((await backend.listMeta('user/')).map(({ name, value }) => `${name}=${value}`)).to.deep.equal([
          'user/a=1',
          'user/b=2',
        ]);
        await backend.setMeta('user/a', undefined);
        expect(await backend.getMeta('user/a')).to.equal(undefined);
        expect([backend.revision, await lines()]).to.deep.equal([1n, []]);
      });

      it('decides changes of a setting one after the other, each on what the last one left', async () => {
        const add = (what: string) => (kept: Buffer | undefined) => Buffer.from(`${kept ?? ''}${what}`);
        await Promise.all(['a', 'b', 'c'].map((what) => backend.changeMeta('list', add(what))));
        expect(String(await backend.getMeta('list'))).to.equal('abc');
        await backend.changeMeta('list', (kept) => kept);
        await refused(
          backend.changeMeta('list', () => {
            throw new KvError('NotFound', 'no');
          }),
          'NotFound',
          'no',
        );
        expect(String(await backend.getMeta('list'))).to.equal('abc');
        await backend.changeMeta('list', () => undefined);
        expect(await backend.getMeta('list')).to.equal(undefined);
      });

      it('hash() is that of the contents at a revision', async () => {
        await backend.put(put('a', '1'));
        await backend.put(put('b', '1'));
        const { hash } = await backend.hash(0n);
        expect(await backend.hash(3n)).to.deep.equal({ hash, compactRevision: -1n, revision: 3n });
        await backend.put(put('b', '2'));
        expect((await backend.hash(3n)).hash).to.equal(hash);
        expect((await backend.hash(0n)).hash).not.to.equal(hash);
      });

      it('refuses what adds data when it is told to, and still deletes', async () => {
        await backend.put(put('a', '1'));
        backend.refuseGrowth(true);
        const text = 'etcdserver: mvcc: database space exceeded';
        await refused(backend.put(put('a', '2')), 'ResourceExhausted', text);
        await refused(backend.txn(txn([], [op.put(put('a', '2'))])), 'ResourceExhausted', text);
        await refused(backend.leaseGrant({ id: 0n, ttl: 9n }), 'ResourceExhausted', text);
        await backend.deleteRange(del('a'));
        backend.refuseGrowth(false);
        await backend.put(put('a', '3'));
        expect(await lines()).to.deep.equal(['a=3@4']);
      });
    });
  });
}

/** Awaits a refusal with this code and text. */
export async function refused(answer: Promise<unknown>, code: string, message: string): Promise<void> {
  const error = await answer.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(KvError);
  expect([(error as KvError).code, (error as KvError).message]).to.deep.equal([code, message]);
}
