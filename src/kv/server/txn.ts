import { checkTxn } from '../mvcc/check-request.ts';
import { txnRequestType, txnResponseType } from '../protocol/kv.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import { requireSize } from './request-size.ts';
import { puts } from './space.ts';

/** KV.Txn */
export const txn = ({ backend, gate, identity, space }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/Txn',
    gateway: ['/kv/txn'],
    request: txnRequestType,
    response: txnResponseType,
    async handle(request, caller) {
      requireSize(caller.requestBytes);
      if (gate.concerns(caller)) {
        checkTxn(request);
        await gate.allowTxn(caller, request, backend);
      }
      if (puts(request)) space.requireRoom();
      const response = await backend.txn(request);
      return { ...response, header: identity.header(response.revision) };
    },
  });
