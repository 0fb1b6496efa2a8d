import {
  leaseGrantRequestType,
  leaseGrantResponseType,
  leaseIdType,
  leaseLeasesResponseType,
  leaseTimeToLiveRequestType,
  leaseTimeToLiveResponseType,
} from '../protocol/lease.ts';
import { doneType, nothingType } from '../protocol/plain.ts';
import { type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

const path = (name: string): string => `/etcdserverpb.Lease/${name}`;

/** Lease, all but the stream. */
export const leases = ({ backend, gate, identity, space }: ServerParts): readonly Method[] => [
  method({
    kind: 'unary',
    path: path('LeaseGrant'),
    gateway: ['/lease/grant'],
    request: leaseGrantRequestType,
    response: leaseGrantResponseType,
    async handle(request, caller) {
      gate.identify(caller);
      space.requireRoom();
      const { id, ttl } = await backend.leaseGrant(request);
      return { header: identity.header(backend.revision), id, ttl, error: '' };
    },
  }),
  method({
    kind: 'unary',
    path: path('LeaseRevoke'),
    gateway: ['/lease/revoke', '/kv/lease/revoke'],
    request: leaseIdType,
    response: doneType,
    async handle({ id }, caller) {
      if (gate.concerns(caller)) await gate.allowLease(caller, 'WRITE', id, backend);
      const { revision } = await backend.leaseRevoke(id);
      return { header: identity.header(revision) };
    },
  }),
  method({
    kind: 'unary',
    path: path('LeaseTimeToLive'),
    gateway: ['/lease/timetolive', '/kv/lease/timetolive'],
    request: leaseTimeToLiveRequestType,
    response: leaseTimeToLiveResponseType,
    async handle({ id, keys }, caller) {
      if (keys && gate.concerns(caller)) await gate.allowLease(caller, 'READ', id, backend);
      const status = await backend.leaseTimeToLive(id, keys);
      return { ...status, header: identity.header(backend.revision), id };
    },
  }),
  method({
    kind: 'unary',
    path: path('LeaseLeases'),
    gateway: ['/lease/leases', '/kv/lease/leases'],
    request: nothingType,
    response: leaseLeasesResponseType,
    async handle() {
      const ids = await backend.leases();
      return { header: identity.header(backend.revision), leases: ids.map((id) => ({ id })) };
    },
  }),
];
