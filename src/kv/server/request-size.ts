import { KvError } from '../kv-error.ts';

/** etcd's default, for what it has to keep: reads may be as long as a message. */
const maxRequestBytes = 1.5 * 1024 * 1024;
// etcd measures its log entry, which says a little more than the request.
const overheadBytes = 16;

export function requireSize(requestBytes: number): void {
  if (requestBytes + overheadBytes > maxRequestBytes) {
    throw new KvError('InvalidArgument', 'etcdserver: request is too large');
  }
}
