import { leaseIdType, leaseKeepAliveResponseType } from '../protocol/lease.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

/** Lease.LeaseKeepAlive: answers each question in turn, with a ttl of 0 when there is no such lease. */
export const leaseKeepAlive = ({ backend, identity }: ServerParts): Method =>
  method({
    kind: 'stream',
    path: '/etcdserverpb.Lease/LeaseKeepAlive',
    gateway: ['/lease/keepalive'],
    request: leaseIdType,
    response: leaseKeepAliveResponseType,
    open(answers) {
      let room: (() => void) | undefined;
      let isClosed = false;
      return {
        async next({ id }) {
          const ttl = await backend.leaseKeepAlive(id);
          const hasRoom = answers.write({ header: identity.header(backend.revision), id, ttl });
          if (hasRoom || isClosed) return;
          await new Promise<void>((resolve) => {
            room = resolve;
          });
        },
        end: () => answers.end(),
        drained: () => room?.(),
        closed: () => {
          isClosed = true;
          room?.();
        },
      };
    },
  });
