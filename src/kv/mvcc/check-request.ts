import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../messages.ts';
import { checkDuplicates } from './check-duplicates.ts';
import { refusals } from './refusals.ts';

const maxTxnOps = 128;
/** etcd's default for `--max-request-bytes`. */
const maxRequestBytes = 1.5 * 1024 * 1024;

/** Refuses what etcd refuses before it looks at the store, in its order. */
export function checkRange({ key }: RangeRequest | DeleteRangeRequest): void {
  if (key.length === 0) throw refusals.emptyKey();
}

/** As `checkRange`, of a put. */
export function checkPut({ key, value, lease, ignoreValue, ignoreLease }: PutRequest): void {
  if (key.length === 0) throw refusals.emptyKey();
  if (ignoreValue && value.length !== 0) throw refusals.valueProvided();
  if (ignoreLease && lease !== 0n) throw refusals.leaseProvided();
}

/** As `checkRange`, of a transaction with all that is nested in it. */
export function checkTxn(request: TxnRequest): void {
  checkOps(request, maxTxnOps);
  checkDuplicates(request.success);
  checkDuplicates(request.failure);
}

function checkOps({ compare, success, failure }: TxnRequest, allowed: number): void {
  const count = Math.max(compare.length, success.length, failure.length);
  if (count > allowed) throw refusals.tooManyOps();
  for (const { key } of compare) if (key.length === 0) throw refusals.emptyKey();
  for (const op of [...success, ...failure]) checkOp(op, allowed - count);
}

function checkOp(op: RequestOp, allowed: number): void {
  if (op.kind === 'none') throw refusals.keyNotFound();
  if (op.kind === 'txn') checkOps(op.request, allowed);
  else if (op.kind === 'put') checkPut(op.request);
  else checkRange(op.request);
}

/** Refuses requests that etcd would not write into its log. */
export function checkSize(bytes: number): void {
  if (bytes > maxRequestBytes) throw refusals.requestTooLarge();
}

/** Bytes of a put in a request: near enough to protobuf's. */
export function bytesOfPut({ key, value }: PutRequest): number {
  return key.length + value.length + 16;
}

/** Bytes of a transaction: those of its puts and of the keys that it names. */
export function bytesOfTxn({ compare, success, failure }: TxnRequest): number {
  let bytes = 0;
  for (const { key, rangeEnd, with: value } of compare) {
    bytes += key.length + rangeEnd.length + 8 + (value?.kind === 'VALUE' ? value.value.length : 0);
  }
  for (const op of [...success, ...failure]) {
    if (op.kind === 'put') bytes += bytesOfPut(op.request);
    else if (op.kind === 'txn') bytes += bytesOfTxn(op.request);
    else if (op.kind !== 'none') bytes += op.request.key.length + op.request.rangeEnd.length + 8;
  }
  return bytes;
}
