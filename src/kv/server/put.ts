import { checkPut } from '../mvcc/check-request.ts';
import { putRequestType, putResponseType } from '../protocol/kv.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import { requireSize } from './request-size.ts';

/** KV.Put */
export const put = ({ backend, gate, identity, space }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/Put',
    gateway: ['/kv/put'],
    request: putRequestType,
    response: putResponseType,
    async handle(request, caller) {
      requireSize(caller.requestBytes);
      if (gate.concerns(caller)) {
        checkPut(request);
        await gate.allowPut(caller, request, backend);
      }
      space.requireRoom();
      const response = await backend.put(request);
      return { ...response, header: identity.header(response.revision) };
    },
  });
