import type {
  Compare,
  DeleteRangeRequest,
  Event,
  KeyValue,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
} from '../../../src/kv/messages.ts';

const noBytes = Buffer.alloc(0);

/** A range end of this stands for everything from the key on. */
export const toEnd = '\0';

/** A range request: of one key, or up to `end`. */
export function range(key: string, end = '', rest: Partial<RangeRequest> = {}): RangeRequest {
  return {
    key: Buffer.from(key, 'latin1'),
    rangeEnd: Buffer.from(end, 'latin1'),
    limit: 0n,
    revision: 0n,
    sortOrder: 'NONE',
    sortTarget: 'KEY',
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0n,
    maxModRevision: 0n,
    minCreateRevision: 0n,
    maxCreateRevision: 0n,
    ...rest,
  };
}

/** All keys. */
export const everything = (rest: Partial<RangeRequest> = {}) => range('\0', toEnd, rest);

/** A put. */
export function put(key: string, value: string, rest: Partial<PutRequest> = {}): PutRequest {
  return {
    key: Buffer.from(key, 'latin1'),
    value: Buffer.from(value),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
    ...rest,
  };
}

/** A deletion: of one key, or up to `end`. */
export function del(key: string, end = '', prevKv = false): DeleteRangeRequest {
  return { key: Buffer.from(key, 'latin1'), rangeEnd: Buffer.from(end, 'latin1'), prevKv };
}

/** A condition on a number of a key. */
export function compare(
  target: 'VERSION' | 'CREATE' | 'MOD' | 'LEASE',
  key: string,
  result: Compare['result'],
  number: bigint,
  end = '',
): Compare {
  const range = { key: Buffer.from(key, 'latin1'), rangeEnd: Buffer.from(end, 'latin1') };
  return { ...range, result, target, with: { kind: target, number } };
}

/** A condition on the value of a key. */
export function compareValue(key: string, result: Compare['result'], value: string, end = ''): Compare {
  const range = { key: Buffer.from(key, 'latin1'), rangeEnd: Buffer.from(end, 'latin1') };
  return { ...range, result, target: 'VALUE', with: { kind: 'VALUE', value: Buffer.from(value) } };
}

/** A transaction. */
export function txn(compare: Compare[], success: RequestOp[], failure: RequestOp[] = []): TxnRequest {
  return { compare, success, failure };
}

/** The operations of a transaction. */
export const op = {
  range: (request: RangeRequest): RequestOp => ({ kind: 'range', request }),
  put: (request: PutRequest): RequestOp => ({ kind: 'put', request }),
  del: (request: DeleteRangeRequest): RequestOp => ({ kind: 'deleteRange', request }),
  txn: (request: TxnRequest): RequestOp => ({ kind: 'txn', request }),
};

/** A watch: of one key, or up to `end`. */
export function watch(key: string, end = '', rest: Partial<WatchCreateRequest> = {}): WatchCreateRequest {
  return {
    key: Buffer.from(key, 'latin1'),
    rangeEnd: Buffer.from(end, 'latin1'),
    startRevision: 0n,
    noPut: false,
    noDelete: false,
    prevKv: false,
    ...rest,
  };
}

/** `key=value@mod` with what else is not as of a new key: ` v` version, ` c` create revision, ` l` lease. */
export function line(kv: KeyValue): string {
  const version = kv.version === 1n ? '' : ` v${kv.version}`;
  const create = kv.createRevision === kv.modRevision ? '' : ` c${kv.createRevision}`;
  const lease = kv.lease === 0n ? '' : ` l${kv.lease}`;
  return `${kv.key.toString('latin1')}=${kv.value}@${kv.modRevision}${version}${create}${lease}`;
}

/** An event in a line: what `line` says, `-key@revision` of a deletion, and ` was …` if it tells the version before. */
export function eventLine({ type, kv, prevKv }: Event): string {
  const what = type === 'PUT' ? line(kv) : `-${kv.key.toString('latin1')}@${kv.modRevision}`;
  return prevKv ? `${what} was ${line(prevKv)}` : what;
}

export { noBytes };
