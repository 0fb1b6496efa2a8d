import { bool, bytes, embedded, int64, message, repeated, string } from '../wire/schema.ts';
import { header } from './header.ts';

const id = (number: number) => int64(number, 'ID');
const ttl = (number: number) => int64(number, 'TTL');

export const leaseGrantRequestType = message('LeaseGrantRequest', { ttl: ttl(1), id: id(2) });
export const leaseGrantResponseType = message('LeaseGrantResponse', {
  ...header,
  id: id(2),
  ttl: ttl(3),
  error: string(4),
});

/** Also what is asked to keep a lease alive. */
export const leaseIdType = message('LeaseRevokeRequest', { id: id(1) });

export const leaseKeepAliveResponseType = message('LeaseKeepAliveResponse', { ...header, id: id(2), ttl: ttl(3) });

export const leaseTimeToLiveRequestType = message('LeaseTimeToLiveRequest', { id: id(1), keys: bool(2) });
export const leaseTimeToLiveResponseType = message('LeaseTimeToLiveResponse', {
  ...header,
  id: id(2),
  ttl: ttl(3),
  grantedTtl: int64(4, 'grantedTTL'),
  keys: repeated(bytes(5)),
});

export const leaseLeasesResponseType = message('LeaseLeasesResponse', {
  ...header,
  leases: repeated(embedded(2, () => leaseIdType)),
});
