import fc from 'fast-check';
import type { Message } from '../../fixtures/kv/protocol.ts';

/** One thing that a client does. Revisions in `request` are relative to where the run began, as `{at: offset}`. */
export type Operation =
  | { readonly kind: 'call'; readonly method: string; readonly request: Message }
  | { readonly kind: 'compact'; readonly at: number }
  | { readonly kind: 'watch'; readonly create: Message; readonly startAt: number | undefined }
  | { readonly kind: 'cancel'; readonly watch: number };

const keys = ['a', 'aa', 'b', 'b\0', 'c', 'd\xff'];
const key = fc.constantFrom(...keys);
const value = fc.constantFrom('', '1', '2', '10');
/** Leases that runs grant, and one that none does. */
export const leaseIds = ['11', '12', '13'] as const;
const leaseId = fc.constantFrom(...leaseIds, '99');
const flag = fc.boolean();
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });

/** Relative to the beginning of the run; runs write some twenty revisions. */
const at = fc.integer({ min: 0, max: 24 }).map((offset) => ({ at: offset }));

const range = fc.oneof(
  { weight: 3, arbitrary: fc.record({ key }) },
  { weight: 3, arbitrary: fc.record({ key, range_end: key }) },
  { weight: 2, arbitrary: fc.record({ key, range_end: fc.constant('\0') }) },
  { weight: 2, arbitrary: fc.constant({ key: '\0', range_end: '\0' }) },
  { weight: 1, arbitrary: fc.constant({ key: '' }) },
);

const merged = (...parts: fc.Arbitrary<Message>[]): fc.Arbitrary<Message> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all.map(withoutUndefined)) as Message);

const withoutUndefined = (message: Message): Message =>
  Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));

const rangeRequest = merged(
  range,
  fc.record({
    limit: rarely(fc.constantFrom('1', '2', '-1')),
    revision: rarely(at),
    sort_order: rarely(fc.constantFrom('NONE', 'ASCEND', 'DESCEND')),
    sort_target: rarely(fc.constantFrom('KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE')),
    serializable: rarely(flag),
    keys_only: rarely(flag),
    count_only: rarely(flag),
    min_mod_revision: rarely(at),
    max_mod_revision: rarely(at),
    min_create_revision: rarely(at),
    max_create_revision: rarely(at),
  }),
);

const putRequest = merged(
  fc.record({ key: fc.oneof({ weight: 20, arbitrary: key }, { weight: 1, arbitrary: fc.constant('') }), value }),
  fc.record({
    lease: rarely(leaseId),
    prev_kv: rarely(flag),
    ignore_value: rarely(fc.constant(true)),
    ignore_lease: rarely(fc.constant(true)),
  }),
).map((put) => (put['ignore_value'] ? { ...put, value: '' } : put));

const deleteRequest = merged(range, fc.record({ prev_kv: rarely(flag) }));

const operand = fc.oneof(
  fc.record({ version: fc.constantFrom('0', '1', '2', '-1') }),
  fc.record({ create_revision: fc.oneof(at, fc.constant('0')) }),
  fc.record({ mod_revision: fc.oneof(at, fc.constant('0')) }),
  fc.record({ value }),
  fc.record({ lease: fc.oneof(leaseId, fc.constant('0')) }),
  fc.constant({}),
);
const targetOf: Readonly<Record<string, string>> = {
  version: 'VERSION',
  create_revision: 'CREATE',
  mod_revision: 'MOD',
  value: 'VALUE',
  lease: 'LEASE',
};
const compare = fc
  .record({
    range,
    operand,
    result: fc.constantFrom('EQUAL', 'NOT_EQUAL', 'GREATER', 'LESS'),
    mismatch: rarely(fc.constantFrom(...Object.values(targetOf))),
  })
  .map(({ range, operand, result, mismatch }): Message => {
    const target = mismatch ?? targetOf[Object.keys(operand)[0] ?? ''] ?? 'VERSION';
    return { ...range, ...operand, result, target };
  });

const simpleOp: fc.Arbitrary<Message> = fc.oneof(
  { weight: 4, arbitrary: putRequest.map((request_put) => ({ request_put })) },
  { weight: 2, arbitrary: deleteRequest.map((request_delete_range) => ({ request_delete_range })) },
  { weight: 3, arbitrary: rangeRequest.map((request_range) => ({ request_range })) },
);

function txnRequest(depth: number): fc.Arbitrary<Message> {
  const op: fc.Arbitrary<Message> =
    depth === 0
      ? simpleOp
      : fc.oneof(
          { weight: 6, arbitrary: simpleOp },
          { weight: 1, arbitrary: txnRequest(depth - 1).map((request_txn) => ({ request_txn })) },
        );
  const ops = fc.array(op, { maxLength: 4 });
  return fc.record({ compare: fc.array(compare, { maxLength: 2 }), success: ops, failure: ops });
}

const call = (method: string, request: fc.Arbitrary<Message>): fc.Arbitrary<Operation> =>
  request.map((message) => ({ kind: 'call', method, request: message }));

const common = [
  { weight: 6, arbitrary: call('KV/Range', rangeRequest) },
  { weight: 10, arbitrary: call('KV/Put', putRequest) },
  { weight: 4, arbitrary: call('KV/DeleteRange', deleteRequest) },
  { weight: 8, arbitrary: call('KV/Txn', txnRequest(2)) },
  {
    weight: 3,
    arbitrary: call(
      'Lease/LeaseGrant',
      fc.record({ ID: leaseId.filter((id) => id !== '99'), TTL: fc.constant('1000') }),
    ),
  },
  { weight: 2, arbitrary: call('Lease/LeaseRevoke', fc.record({ ID: leaseId })) },
  { weight: 1, arbitrary: call('Lease/LeaseTimeToLive', fc.record({ ID: leaseId, keys: flag })) },
  { weight: 1, arbitrary: call('Lease/LeaseKeepAlive', fc.record({ ID: leaseId })) },
  { weight: 1, arbitrary: call('Lease/LeaseLeases', fc.constant({})) },
];

const watch = (prevKv: boolean): fc.Arbitrary<Operation> =>
  fc
    .record({
      range: fc.oneof(range, fc.constant({ key: '', range_end: '\0' })),
      filters: fc.constantFrom<string[]>([], [], [], ['NOPUT'], ['NODELETE']),
      prev_kv: prevKv ? flag : fc.constant(false),
      startAt: fc.option(fc.integer({ min: 0, max: 24 }), { nil: undefined }),
    })
    .map(({ range, startAt, ...rest }) => ({ kind: 'watch', create: { ...range, ...rest }, startAt }));

/**
 * A run of one client. Whether `prev_kv` of an event is still there after a compaction is a matter of time in etcd, so
 * a run has the one or the other.
 */
export const operations: fc.Arbitrary<readonly Operation[]> = fc.boolean().chain((compacting) =>
  fc.array(
    fc.oneof(
      ...common,
      { weight: 3, arbitrary: watch(!compacting) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), watch: fc.nat(3) }) },
      ...(compacting
        ? [
            {
              weight: 2,
              arbitrary: fc.record({ kind: fc.constant('compact' as const), at: fc.integer({ min: 0, max: 20 }) }),
            },
          ]
        : []),
    ),
    { minLength: 5, maxLength: 40 },
  ),
);
