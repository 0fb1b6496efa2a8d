import { expect } from 'chai';
import { toStoreError } from '../../src/store/etcd-errors.ts';
import { GrpcError } from '../../src/store/grpc-status.ts';

describe('toStoreError()', () => {
  const cases: [status: number, message: string, code: string][] = [
    [14, 'connect ECONNREFUSED 127.0.0.1:2379', 'unavailable'],
    [4, 'no answer within 5000 ms', 'unavailable'],
    [14, 'etcdserver: request timed out', 'unavailable'],
    [8, 'etcdserver: too many requests', 'unavailable'],
    [8, 'etcdserver: mvcc: database space exceeded', 'no-space'],
    [3, 'etcdserver: request is too large', 'invalid'],
    [3, 'etcdserver: duplicate key given in txn request', 'invalid'],
    [3, 'etcdserver: authentication failed, invalid user ID or password', 'unauthenticated'],
    [3, 'etcdserver: user name is empty', 'unauthenticated'],
    [16, 'etcdserver: invalid auth token', 'unauthenticated'],
    [14, 'self-signed certificate in certificate chain', 'unauthenticated'],
    [7, 'etcdserver: permission denied', 'permission-denied'],
    [5, 'etcdserver: requested lease not found', 'lease-lost'],
    [2, 'something new', 'unknown'],
  ];
  for (const [status, message, code] of cases) {
    it(`takes "${message}" for ${code}, and says what was attempted`, () => {
      const cause = new GrpcError(status, message);
      const error = toStoreError(cause, 'get /a');
      expect(error).to.include({ code, message: `get /a: ${message}`, cause });
    });
  }
});
