import { KvError } from '../kv-error.ts';

/** Every refusal of this folder, in etcd's words: clients compare them character by character. */
export const refusals = {
  emptyKey: () => new KvError('InvalidArgument', 'etcdserver: key is not provided'),
  keyNotFound: () => new KvError('InvalidArgument', 'etcdserver: key not found'),
  valueProvided: () => new KvError('InvalidArgument', 'etcdserver: value is provided'),
  leaseProvided: () => new KvError('InvalidArgument', 'etcdserver: lease is provided'),
  tooManyOps: () => new KvError('InvalidArgument', 'etcdserver: too many operations in txn request'),
  duplicateKey: () => new KvError('InvalidArgument', 'etcdserver: duplicate key given in txn request'),
  requestTooLarge: () => new KvError('InvalidArgument', 'etcdserver: request is too large'),
  compacted: () => new KvError('OutOfRange', 'etcdserver: mvcc: required revision has been compacted'),
  futureRevision: () => new KvError('OutOfRange', 'etcdserver: mvcc: required revision is a future revision'),
  noSpace: () => new KvError('ResourceExhausted', 'etcdserver: mvcc: database space exceeded'),
  leaseNotFound: () => new KvError('NotFound', 'etcdserver: requested lease not found'),
  leaseExists: () => new KvError('FailedPrecondition', 'etcdserver: lease already exists'),
  leaseTtlTooLarge: () => new KvError('OutOfRange', 'etcdserver: too large lease TTL'),
  stopped: () => new KvError('Unavailable', 'etcdserver: server stopped'),
} as const;
