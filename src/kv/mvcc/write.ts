import type { DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse } from '../messages.ts';
import type { View } from '../storage/engine.ts';
import type { Draft } from './draft.ts';
import { isSingleKey, spanOf } from './key-span.ts';
import { refusals } from './refusals.ts';

/** Refuses a put that the store cannot take: etcd looks at the lease and at what is to be kept before it writes. */
export function checkPutOn(view: View, request: PutRequest): void {
  checkLease(view, request);
  checkKept(view, request);
}

/** The same of a put in a transaction, where etcd looks the other way round. */
export function checkPutInTxn(view: View, request: PutRequest): void {
  checkKept(view, request);
  checkLease(view, request);
}

function checkLease(view: View, { lease }: PutRequest): void {
  if (lease !== 0n && !view.lease(lease)) throw refusals.leaseNotFound();
}

function checkKept(view: View, { key, ignoreValue, ignoreLease }: PutRequest): void {
  if ((ignoreValue || ignoreLease) && !view.get(key)) throw refusals.keyNotFound();
}

/** Puts a key; checked before. */
export function applyPut(draft: Draft, request: PutRequest): PutResponse {
  const kept = request.ignoreValue || request.ignoreLease ? draft.get(request.key) : undefined;
  const value = request.ignoreValue && kept ? kept.value : request.value;
  const lease = request.ignoreLease && kept ? kept.lease : request.lease;
  const previous = draft.put(request.key, value, lease);
  return { revision: draft.revision, prevKv: request.prevKv ? previous : undefined };
}

/** Deletes the keys of a range, in key order. */
export function applyDeleteRange(draft: Draft, request: DeleteRangeRequest): DeleteRangeResponse {
  const found = isSingleKey(request) ? draft.get(request.key) : undefined;
  const doomed = isSingleKey(request) ? (found ? [found] : []) : draft.scan(spanOf(request.key, request.rangeEnd));
  for (const kv of doomed) draft.delete(kv);
  return { revision: draft.revision, deleted: BigInt(doomed.length), prevKvs: request.prevKv ? doomed : [] };
}
