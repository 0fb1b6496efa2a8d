import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  LeaseGrantRequest,
  LeaseStatus,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
} from './messages.ts';

/** Follows one watch. `deliver` gets whole revisions, in order, each once. */
export interface WatchListener {
  /**
   * `revision`: every event of the range up to it has been delivered with this call; while older history is still being
   * read it is that of the last event, never the store's. Returns false when the connection is full: then nothing more
   * comes until `resume()`.
   */
  deliver(events: readonly Event[], revision: bigint): boolean;
  /** The history that it needs was compacted: the watch is over. */
  compacted(compactRevision: bigint): void;
}

export interface Watch {
  /** Everything up to this revision has been delivered; what a progress notification may say. */
  readonly revision: bigint;
  /** Whether nothing that has happened is still to be delivered. */
  readonly isSynced: boolean;
  /** The connection can take more. */
  resume(): void;
  cancel(): void;
}

export interface BackendStatus {
  readonly revision: bigint;
  /** -1: history is whole. */
  readonly compactRevision: bigint;
  /** Bytes on disk, and the part of them that is in use. */
  readonly dbSize: number;
  readonly dbSizeInUse: number;
}

/**
 * The key space with its history: etcd's semantics without its network. Every write that was answered is durable. What
 * etcd refuses is thrown as a `KvError` with etcd's code and text. Requests have passed no checks before.
 */
export interface Backend {
  /** Of the newest write; 1 when the store is empty. */
  readonly revision: bigint;
  range(request: RangeRequest): Promise<RangeResponse>;
  put(request: PutRequest): Promise<PutResponse>;
  deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResponse>;
  txn(request: TxnRequest): Promise<TxnResponse>;
  compact(request: CompactionRequest): Promise<{ readonly revision: bigint }>;
  /** Begins to deliver no earlier than after this call. The range was checked by the caller. */
  watch(request: WatchCreateRequest, listener: WatchListener): Watch;
  leaseGrant(request: LeaseGrantRequest): Promise<{ readonly id: bigint; readonly ttl: bigint }>;
  leaseRevoke(id: bigint): Promise<{ readonly revision: bigint }>;
  /** Resolves with the ttl in seconds, 0 when there is no such lease. */
  leaseKeepAlive(id: bigint): Promise<bigint>;
  leaseTimeToLive(id: bigint, withKeys: boolean): Promise<LeaseStatus>;
  leases(): Promise<readonly bigint[]>;
  /** Replaces what is kept under a name by what `change` makes of it, which may be asked more than once. */
  changeMeta(name: string, change: (kept: Buffer | undefined) => Buffer | undefined): Promise<void>;
  /** Calls `listener` when another server on the same data may have changed what is kept; again if it rejects. */
  followMeta(listener: () => Promise<void>): void;
  /** Keeps and reads what is not part of the key space: accounts, alarms, who we are. Durable when resolved. */
  setMeta(name: string, value: Buffer | undefined): Promise<void>;
  getMeta(name: string): Promise<Buffer | undefined>;
  listMeta(prefix: string): Promise<readonly { readonly name: string; readonly value: Buffer }[]>;
  status(): BackendStatus;
  /** While on, what would add data is refused as when the quota is used up; what the server says of a NOSPACE alarm. */
  refuseGrowth(refuse: boolean): void;
  /** CRC-32C over keys and values up to a revision, 0: the present. */
  hash(
    revision: bigint,
  ): Promise<{ readonly hash: number; readonly compactRevision: bigint; readonly revision: bigint }>;
  /** The whole store at one revision, in chunks; `restore` beside `openBackend` reads it into an empty store. */
  snapshot(signal: AbortSignal): AsyncIterable<Buffer>;
  /** Gives freed space back. */
  defragment(): Promise<void>;
  /** Works (expiry of leases, automatic compaction, change notices of other servers) until the signal aborts, then closes. */
  run(signal: AbortSignal): Promise<void>;
}
