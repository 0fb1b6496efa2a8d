/** Names and numbers of gRPC's status codes that etcd uses. */
export const grpcCode = {
  Canceled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  Unauthenticated: 16,
} as const;

/** A refusal in etcd's own words, on which clients match. */
export class KvError extends Error {
  readonly code: keyof typeof grpcCode;

  constructor(code: keyof typeof grpcCode, message: string) {
    super(message);
    this.name = 'KvError';
    this.code = code;
  }
}
