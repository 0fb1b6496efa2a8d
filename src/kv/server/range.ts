import { checkRange } from '../mvcc/check-request.ts';
import { rangeRequestType, rangeResponseType } from '../protocol/kv.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

/** KV.Range */
export const range = ({ backend, gate, identity }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/Range',
    gateway: ['/kv/range'],
    request: rangeRequestType,
    response: rangeResponseType,
    async handle(request, caller) {
      if (gate.concerns(caller)) {
        checkRange(request);
        gate.allow(caller, 'READ', request);
      }
      const response = await backend.range(request);
      return { ...response, header: identity.header(response.revision) };
    },
  });
