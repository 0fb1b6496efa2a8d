/**
 * What a key-value store is to pgherd: ordered keys, one revision per write transaction, transactions that compare,
 * leases, and a watch that loses nothing. `EtcdStore` is etcd, `MemoryStore` the same in this process; both pass
 * `test/contract/store.ts`. Nothing above this folder knows which client is in use.
 *
 * Every method rejects with a `StoreError` when the store could not be reached or refused: what cannot be read is never
 * taken for absent. A transaction that failed with `unavailable` may or may not have been applied.
 */
export interface Store {
  /** The pair at `key`, or undefined when there is none; linearizable. */
  get(key: string, options?: CallOptions): Promise<{ readonly kv: KeyValue | undefined; readonly revision: bigint }>;
  /** Every pair of the range as of one revision, fetched in pages. */
  list(range: KeyRange, options?: CallOptions): Promise<{ readonly kvs: KeyValue[]; readonly revision: bigint }>;
  /** Applies `then` if all of `if` hold, else `else`; all of it at one revision, or nothing. */
  txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult>;
  /**
   * Every change to the range from `fromRevision` on, in order, each exactly once, whatever happens to connections.
   * Ends by throwing: `CompactedError` when history before `fromRevision` is gone, the signal's reason when aborted.
   * Unavailability does not end it: it reconnects with back-off, and reports through `onDisconnect`.
   */
  watch(range: KeyRange, fromRevision: bigint, options: WatchOptions): AsyncGenerator<WatchBatch, never, void>;
  /** A lease kept alive until `revoke`, `abandon`, or until it could not be renewed in time. */
  lease(ttlSeconds: number, options?: CallOptions): Promise<Lease>;
  /** Keeps alive, with others, a lease that somebody else has obtained; undefined when there is none. */
  joinLease(id: bigint, options?: CallOptions): Promise<Lease | undefined>;
  /** Which store this is and how far it is: agents refuse to act on another or an older one. */
  identity(options?: CallOptions): Promise<{ readonly clusterId: string; readonly revision: bigint }>;
  /** Closes connections; running watches and leases end. */
  close(): Promise<void>;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** The watch lost its connection and tries again; nothing is lost, but things may be late. */
  readonly onDisconnect?: (error: Error) => void;
  /** The server confirmed the watch (again): from now on events flow. */
  readonly onConnect?: () => void;
}

/** From `start` up to but without `end`. Use `prefixRange` for all keys below a prefix. */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

export interface KeyValue {
  readonly key: string;
  /** UTF-8; invalid sequences arrive as U+FFFD. */
  readonly value: string;
  /** Revision of the key's creation: changes when it is deleted and created again. */
  readonly createRevision: bigint;
  /** Revision of its last change. */
  readonly modRevision: bigint;
  /** Lease the key is attached to, 0n for none. */
  readonly leaseId: bigint;
}

/** Changes of one or more whole revisions, oldest first. */
export interface WatchBatch {
  /** The revision of the last event: everything of the range up to here has been seen. */
  readonly revision: bigint;
  readonly events: readonly WatchEvent[];
}

export type WatchEvent =
  | { readonly type: 'put'; readonly kv: KeyValue }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: bigint };

export type CompareOperator = '=' | '!=' | '<' | '>';

/** A condition on one key. An absent key has create and mod revision 0, and fails every comparison of its value. */
export type Compare =
  | {
      readonly key: string;
      readonly target: 'create' | 'mod' | 'lease';
      readonly op: CompareOperator;
      readonly value: bigint;
    }
  | { readonly key: string; readonly target: 'value'; readonly op: CompareOperator; readonly value: string };

export type WriteOp =
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly leaseId?: bigint }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'deleteRange'; readonly range: KeyRange };

export type Op =
  | WriteOp
  | { readonly type: 'get'; readonly key: string }
  /** Puts `value` if the key had a smaller one before the transaction, as bytes; an absent key stays absent. */
  | { readonly type: 'raise'; readonly key: string; readonly value: string }
  /**
   * Writes if all of `if` held before the transaction, else does nothing: unlike the conditions of the transaction
   * itself, these never keep it from being applied.
   */
  | { readonly type: 'when'; readonly if: readonly Compare[]; readonly then: readonly WriteOp[] };

/** At most `maxTxnOps` operations in each branch; one key may be written once only. */
export interface TxnRequest {
  readonly if: readonly Compare[];
  readonly then: readonly Op[];
  readonly else?: readonly Op[];
}

/** The keys that an operation may change, of a range its start. */
export function keysOf(op: Op): readonly string[] {
  if (op.type === 'get') return [];
  if (op.type === 'when') return op.then.flatMap(keysOf);
  return [op.type === 'deleteRange' ? op.range.start : op.key];
}

/** What etcd allows in one transaction unless configured otherwise (`--max-txn-ops`). */
export const maxTxnOps = 128;

export interface TxnResult {
  /** Whether all comparisons held. */
  readonly succeeded: boolean;
  /** The store's revision after the transaction. */
  readonly revision: bigint;
  /** Answers to the `get` operations of the branch taken, in their order. */
  readonly reads: readonly (KeyValue | undefined)[];
  /** For each `when` of the branch taken, in their order, whether it held. */
  readonly held: readonly boolean[];
}

export interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /**
   * Aborts when the lease must be taken for lost: it expired or was revoked, or no keep-alive was answered for so long
   * that it may have expired. Counted from before the last answered keep-alive was sent, on a monotonic clock.
   */
  readonly lost: AbortSignal;
  /** Monotonic time of sending the last keep-alive that was answered (of the grant, before the first). */
  lastRenewedMonotonicMs(): number;
  /** Deletes every key of the lease, now. */
  revoke(options?: CallOptions): Promise<void>;
  /** Stops renewing; the keys stay until the lease runs out. */
  abandon(): void;
}

/** The range of all keys that start with `prefix`. */
export function prefixRange(prefix: string): KeyRange {
  // All our keys are ASCII, so the last character always has a successor.
  const last = prefix.length - 1;
  return { start: prefix, end: prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1) };
}

export function rangeContains(range: KeyRange, key: string): boolean {
  return key >= range.start && key < range.end;
}
