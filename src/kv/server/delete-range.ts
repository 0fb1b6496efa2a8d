import { checkRange } from '../mvcc/check-request.ts';
import { deleteRangeRequestType, deleteRangeResponseType } from '../protocol/kv.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import { requireSize } from './request-size.ts';

/** KV.DeleteRange */
export const deleteRange = ({ backend, gate, identity }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/DeleteRange',
    gateway: ['/kv/deleterange'],
    request: deleteRangeRequestType,
    response: deleteRangeResponseType,
    async handle(request, caller) {
      requireSize(caller.requestBytes);
      if (gate.concerns(caller)) {
        checkRange(request);
        gate.allowDeleteRange(caller, request);
      }
      const response = await backend.deleteRange(request);
      return { ...response, header: identity.header(response.revision) };
    },
  });
