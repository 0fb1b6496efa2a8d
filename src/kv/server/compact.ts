import { compactionRequestType } from '../protocol/kv.ts';
import { doneType } from '../protocol/plain.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

/** KV.Compact */
export const compact = ({ backend, gate, identity }: ServerParts): Method =>
  method({
    kind: 'unary',
    path: '/etcdserverpb.KV/Compact',
    gateway: ['/kv/compaction'],
    request: compactionRequestType,
    response: doneType,
    async handle(request, caller) {
      gate.identify(caller);
      const { revision } = await backend.compact(request);
      return { header: identity.header(revision) };
    },
  });
