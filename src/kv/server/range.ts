import { rangeRequestType, rangeResponseType } from '../protocol/kv.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';
import { requireKey } from './request-size.ts';

/** KV.Range */
export const range = ({ backend, gate, identity }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/Range',
    gateway: ['/kv/range'],
    request: rangeRequestType,
    response: rangeResponseType,
    async handle(request, caller) {
      requireKey(request.key);
      if (gate.isEnabled) gate.allow(caller, 'READ', request);
      const response = await backend.range(request);
      return { ...response, header: identity.header(response.revision) };
    },
  });
