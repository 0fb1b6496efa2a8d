/** Why a call to the store failed, stable for programs. */
export type StoreErrorCode =
  /** Not reached, or the answer was lost: a write may have happened. */
  | 'unavailable'
  /** User, password, token or certificate refused. */
  | 'unauthenticated'
  /** The user may not do this. */
  | 'permission-denied'
  /** The store's quota is used up (NOSPACE alarm). */
  | 'no-space'
  /** The request itself is wrong: too large, too many operations. */
  | 'invalid'
  /** The lease has expired or was revoked, its keys are gone. */
  | 'lease-lost'
  /** Anything else the store said. */
  | 'unknown';

/** A call to the store failed: what was attempted, on what, and the cause. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreError';
    this.code = code;
  }
}

/** The history that was asked for is gone, or is that of another store: list again. */
export class CompactedError extends Error {
  readonly code = 'compacted';
  /** The oldest revision that can still be watched. */
  readonly compactRevision: bigint;

  constructor(compactRevision: bigint, message = `history up to revision ${compactRevision} has been compacted`) {
    super(message);
    this.name = 'CompactedError';
    this.compactRevision = compactRevision;
  }
}
