import type { RequestOp, ResponseOp, TxnRequest, TxnResponse } from '../messages.ts';
import type { View } from '../storage/engine.ts';
import { holds } from './compare.ts';
import type { Draft } from './draft.ts';
import { checkRevision, rangeOf } from './range.ts';
import { applyDeleteRange, applyPut, checkPutInTxn } from './write.ts';

/** A transaction whose conditions, nested ones too, have been looked at: before any of its writes, as etcd does. */
interface Chosen {
  readonly succeeded: boolean;
  readonly ops: readonly { readonly op: RequestOp; readonly nested: Chosen | undefined }[];
}

/** Runs a transaction: conditions, then refusals, then writes, so that one that is refused leaves nothing behind. */
export function applyTxn(draft: Draft, request: TxnRequest): TxnResponse {
  const chosen = choose(draft, request);
  check(draft, chosen);
  const responses = run(draft, chosen);
  return { revision: draft.revision, succeeded: chosen.succeeded, responses };
}

/** As `applyTxn`, of one that only reads. */
export function readTxn(view: View, request: TxnRequest): TxnResponse {
  return applyTxn(view as Draft, request);
}

/** Whether no branch of it writes. */
export function isReadOnly({ success, failure }: TxnRequest): boolean {
  return [success, failure].every((ops) =>
    ops.every((op) => op.kind === 'range' || (op.kind === 'txn' && isReadOnly(op.request))),
  );
}

function choose(view: View, request: TxnRequest): Chosen {
  const succeeded = request.compare.every((compare) => holds(view, compare));
  const ops = (succeeded ? request.success : request.failure).map((op) => ({
    op,
    nested: op.kind === 'txn' ? choose(view, op.request) : undefined,
  }));
  return { succeeded, ops };
}

function check(view: View, chosen: Chosen): void {
  checkEach(view, chosen, 'put');
  checkEach(view, chosen, 'range');
}

function checkEach(view: View, { ops }: Chosen, kind: 'put' | 'range'): void {
  for (const { op, nested } of ops) {
    if (nested) checkEach(view, nested, kind);
    else if (op.kind === 'put' && kind === 'put') checkPutInTxn(view, op.request);
    else if (op.kind === 'range' && kind === 'range') checkRevision(view, op.request);
  }
}

function run(draft: Draft, { ops }: Chosen): ResponseOp[] {
  return ops.map(({ op, nested }): ResponseOp => {
    if (op.kind === 'range') return { kind: 'range', response: rangeOf(draft, op.request) };
    if (op.kind === 'put') return { kind: 'put', response: applyPut(draft, op.request) };
    if (op.kind === 'deleteRange') return { kind: 'deleteRange', response: applyDeleteRange(draft, op.request) };
    if (!nested) throw new TypeError(`an operation of kind ${op.kind} passed the checks`);
    // etcd leaves the header of a nested answer empty.
    const response = { revision: 0n, succeeded: nested.succeeded, responses: run(draft, nested) };
    return { kind: 'txn', response };
  });
}
