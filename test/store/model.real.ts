import { expect } from 'chai';
import fc from 'fast-check';
import { EtcdStore } from '../../src/store/etcd.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import {
  type Compare,
  type CompareOperator,
  type Lease,
  type Op,
  prefixRange,
  type Store,
  type TxnRequest,
  type WriteOp,
} from '../../src/store/store.ts';
import type { StoreError } from '../../src/store/store-error.ts';
import { systemClock } from '../../src/time/clock.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';

/** Steps in terms that mean the same in both stores: revisions count from the start of a run, leases by number. */
type ModelCompare = { key: string; op: CompareOperator } & (
  | { target: 'create' | 'mod'; revision: number }
  | { target: 'lease'; lease: number }
  | { target: 'value'; value: string }
);
type ModelWrite =
  | { type: 'put'; key: string; value: string; lease: number }
  | { type: 'delete'; key: string }
  | { type: 'deleteRange'; start: string; end: string };
type ModelOp =
  | ModelWrite
  | { type: 'get'; key: string }
  | { type: 'raise'; key: string; value: string }
  | { type: 'when'; if: ModelCompare[]; then: ModelWrite[] };
type Step = { kind: 'txn'; if: ModelCompare[]; then: ModelOp[]; else: ModelOp[] } | { kind: 'revoke'; lease: number };

const key = fc.constantFrom('a', 'a/1', 'a/2', 'b', 'c');
const value = fc.constantFrom('', '1', '2', '10', 'ü');
/** 0 is no lease. */
const leaseNumber = fc.constantFrom(0, 0, 1, 2);
const anyOperator = fc.constantFrom<CompareOperator>('=', '!=', '<', '>');
const modelCompare: fc.Arbitrary<ModelCompare> = fc.oneof(
  fc.record({ key, op: anyOperator, target: fc.constantFrom('create', 'mod'), revision: fc.nat(12) }),
  fc.record({
    key,
    op: fc.constantFrom<CompareOperator>('=', '!='),
    target: fc.constant('lease' as const),
    lease: leaseNumber,
  }),
  fc.record({ key, op: anyOperator, target: fc.constant('value' as const), value }),
);
const modelWrite: fc.Arbitrary<ModelWrite> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('put' as const), key, value, lease: leaseNumber }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deleteRange' as const), start: key, end: key }) },
);
const modelOp: fc.Arbitrary<ModelOp> = fc.oneof(
  { weight: 6, arbitrary: modelWrite },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('get' as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('raise' as const), key, value }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('when' as const),
      if: fc.array(modelCompare, { maxLength: 2 }),
      then: fc.array(modelWrite, { maxLength: 2 }),
    }),
  },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('txn' as const),
      if: fc.array(modelCompare, { maxLength: 2 }),
      then: fc.array(modelOp, { maxLength: 3 }),
      else: fc.array(modelOp, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), lease: fc.constantFrom(1, 2) }) },
);

describe('MemoryStore beside etcd', () => {
  let etcd: EtcdProcess;
  let real: EtcdStore;
  let run = 0;

  before(async () => {
    etcd = await startEtcd();
    real = new EtcdStore({ endpoints: [etcd.endpoint] });
  });
  after(async () => {
    await real.close();
    await etcd.stop();
  });

  it('answers every sequence of transactions and revocations alike, and tells the same history', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        run += 1;
        const memory = new MemoryStore({ clock: systemClock });
        const expected = await play(real, `/run/${run}/`, steps);
        const actual = await play(memory, `/run/${run}/`, steps);
        await memory.close();
        expect(actual).to.deep.equal(expected);
      }),
      { numRuns: 80 },
    );
  });
});

/** Everything a client can see of the steps, in the terms of the model. */
async function play(store: Store, prefix: string, steps: readonly Step[]): Promise<unknown[]> {
  const { revision: base } = await store.identity();
  const leases: Lease[] = [await store.lease(60), await store.lease(60)];
  const leaseId = (number: number) => (number === 0 ? 0n : (leases[number - 1] as Lease).id);
  const toCompare = (compare: ModelCompare): Compare => {
    const common = { key: prefix + compare.key, op: compare.op };
    if (compare.target === 'value') return { ...common, target: compare.target, value: compare.value };
    if (compare.target === 'lease') return { ...common, target: compare.target, value: leaseId(compare.lease) };
    const absolute = compare.revision === 0 ? 0n : base + BigInt(compare.revision);
    return { ...common, target: compare.target, value: absolute };
  };
  const toWrite = (op: ModelWrite): WriteOp => {
    if (op.type === 'deleteRange') return { type: op.type, range: { start: prefix + op.start, end: prefix + op.end } };
    if (op.type === 'delete') return { type: op.type, key: prefix + op.key };
    return { type: op.type, key: prefix + op.key, value: op.value, leaseId: leaseId(op.lease) };
  };
  const toOp = (op: ModelOp): Op => {
    if (op.type === 'get') return { type: op.type, key: prefix + op.key };
    if (op.type === 'raise') return { type: op.type, key: prefix + op.key, value: op.value };
    if (op.type === 'when') return { type: op.type, if: op.if.map(toCompare), then: op.then.map(toWrite) };
    return toWrite(op);
  };
  const plain = (seen: unknown): unknown =>
    JSON.parse(
      JSON.stringify(seen, (name, part) => {
        if (typeof part !== 'bigint') return part;
        if (name === 'leaseId') return part === 0n ? 0 : leases.findIndex((lease) => lease.id === part) + 1;
        return Number(part - base);
      }),
    );

  const seen: unknown[] = [];
  for (const one of steps) {
    try {
      if (one.kind === 'revoke') await (leases[one.lease - 1] as Lease).revoke();
      else {
        const request: TxnRequest = { if: one.if.map(toCompare), then: one.then.map(toOp), else: one.else.map(toOp) };
        seen.push(plain(await store.txn(request)));
      }
    } catch (error) {
      seen.push((error as StoreError).code);
    }
  }
  const { kvs, revision } = await store.list(prefixRange(prefix));
  seen.push(plain(kvs));
  const history = [];
  const abort = new AbortController();
  const last = (await store.txn({ if: [], then: [{ type: 'put', key: `${prefix}end`, value: '' }] })).revision;
  for await (const batch of store.watch(prefixRange(prefix), base + 1n, { signal: abort.signal })) {
    history.push(...batch.events);
    if (batch.revision === last) break;
  }
  seen.push(plain(history), plain(revision));
  for (const lease of leases) await lease.revoke();
  return seen;
}
