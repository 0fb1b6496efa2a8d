import { StoreError, type StoreErrorCode } from './store-error.ts';

/** Codes of gRPC; those that leave open whether the call took effect are `unavailable`. */
const codes: Readonly<Record<number, StoreErrorCode>> = {
  1: 'unavailable',
  3: 'invalid',
  4: 'unavailable',
  7: 'permission-denied',
  8: 'invalid',
  13: 'unavailable',
  14: 'unavailable',
  16: 'unauthenticated',
};

/** What etcd and TLS say in words only, stronger than the code. */
const phrases: readonly (readonly [RegExp, StoreErrorCode])[] = [
  [/requested lease not found/, 'lease-lost'],
  [/database space exceeded/, 'no-space'],
  [/too many requests/, 'unavailable'],
  [/permission denied/, 'permission-denied'],
  [/authentication failed|user name is empty|invalid auth token|revision of auth store is old/, 'unauthenticated'],
  [/certificate|SSL|TLS/, 'unauthenticated'],
];

/** What a call or a cancelled watch reported, as a `StoreError`. */
export function toStoreError(cause: unknown, attempted: string): StoreError {
  if (cause instanceof StoreError) return cause;
  const { code, message } = cause as { code?: unknown; message: string };
  const known = phrases.find(([phrase]) => phrase.test(message))?.[1] ?? codes[Number(code)] ?? 'unknown';
  return new StoreError(known, `${attempted}: ${message}`, { cause });
}

/** The token, or none, was good once: a new one may be all that is needed. */
export function isStaleToken(cause: unknown): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(String((cause as Error).message));
}

/** A page of a list at a revision that was compacted since the first page. */
export function isCompacted(error: StoreError): boolean {
  return /required revision has been compacted/.test(error.message);
}

/** An answer that is larger than this client takes. */
export function isTooLarge(error: StoreError): boolean {
  return /larger than max/.test(error.message);
}
