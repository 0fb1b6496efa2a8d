import type { Backend, BackendStatus, Watch, WatchListener } from '../backend.ts';
import type { Lessor } from '../lease/lessor.ts';
import type {
  CompactionRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseStatus,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
} from '../messages.ts';
import type { StorageEngine } from '../storage/engine.ts';
import type { WatchHub } from '../watch/watch-hub.ts';
import { bytesOfPut, bytesOfTxn, checkPut, checkRange, checkSize, checkTxn } from './check-request.ts';
import type { Compactor } from './compactor.ts';
import type { Draft } from './draft.ts';
import type { GroupCommit } from './group-commit.ts';
import { hashOf } from './hash.ts';
import { NeedsOfRequests } from './needs.ts';
import type { Quota } from './quota.ts';
import { rangeOf } from './range.ts';
import { writeSnapshot } from './snapshot.ts';
import { applyTxn, isReadOnly, readTxn } from './txn.ts';
import { applyDeleteRange, applyPut, checkPutOn } from './write.ts';

/** The parts that a backend is made of; `openBackend` puts them together. */
export interface BackendParts {
  readonly engine: StorageEngine;
  readonly commits: GroupCommit;
  readonly hub: WatchHub;
  readonly lessor: Lessor;
  readonly compactor: Compactor;
  readonly quota: Quota;
}

/** etcd's key space on a storage engine: hands every request to the part that knows about it. */
export class MvccBackend implements Backend {
  readonly #parts: BackendParts;

  constructor(parts: BackendParts) {
    this.#parts = parts;
  }

  get revision(): bigint {
    return this.#parts.engine.revision;
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    checkRange(request);
    return this.#parts.engine.read(
      () => new NeedsOfRequests(true).range(request),
      (view) => rangeOf(view, request),
    );
  }

  async put(request: PutRequest): Promise<PutResponse> {
    checkPut(request);
    this.#admit(bytesOfPut(request), [request]);
    return this.#parts.commits.submit({
      needs: (needs) => needs.put(request),
      decide: (draft) => {
        checkPutOn(draft, request);
        return applyPut(draft, request);
      },
    });
  }

  async deleteRange(request: DeleteRangeRequest): Promise<DeleteRangeResponse> {
    checkRange(request);
    return this.#parts.commits.submit({
      needs: (needs) => needs.deleteRange(request),
      decide: (draft) => applyDeleteRange(draft, request),
    });
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    checkTxn(request);
    if (isReadOnly(request)) {
      return this.#parts.engine.read(
        () => new NeedsOfRequests(false).txn(request),
        (view) => readTxn(view, request),
      );
    }
    this.#admit(bytesOfTxn(request), putsOf(request));
    return this.#parts.commits.submit({
      needs: (needs) => needs.txn(request),
      decide: (draft) => applyTxn(draft, request),
    });
  }

  compact(request: CompactionRequest): Promise<{ readonly revision: bigint }> {
    return this.#parts.compactor.compact(request);
  }

  watch(request: WatchCreateRequest, listener: WatchListener): Watch {
    return this.#parts.hub.watch(request, listener);
  }

  async leaseGrant(request: LeaseGrantRequest): Promise<{ readonly id: bigint; readonly ttl: bigint }> {
    this.#parts.quota.admit(64);
    return this.#parts.lessor.grant(request);
  }

  leaseRevoke(id: bigint): Promise<{ readonly revision: bigint }> {
    return this.#parts.lessor.revoke(id);
  }

  leaseKeepAlive(id: bigint): Promise<bigint> {
    return this.#parts.lessor.keepAlive(id);
  }

  leaseTimeToLive(id: bigint, withKeys: boolean): Promise<LeaseStatus> {
    return this.#parts.lessor.timeToLive(id, withKeys);
  }

  leases(): Promise<readonly bigint[]> {
    return this.#parts.lessor.list();
  }

  setMeta(name: string, value: Buffer | undefined): Promise<void> {
    return this.#parts.commits.submit({ needs: () => {}, decide: (draft: Draft) => draft.setMeta(name, value) });
  }

  changeMeta(name: string, change: (kept: Buffer | undefined) => Buffer | undefined): Promise<void> {
    return this.#parts.commits.submit({
      needs: (needs) => needs.named(name),
      decide: (draft: Draft) => {
        const kept = draft.meta(name);
        const changed = change(kept);
        if (changed !== kept) draft.setMeta(name, changed);
      },
    });
  }

  followMeta(listener: () => Promise<void>): void {
    this.#parts.engine.shared?.onMeta(listener);
  }

  async getMeta(name: string): Promise<Buffer | undefined> {
    return this.#parts.engine.meta(name);
  }

  async listMeta(prefix: string): Promise<readonly { readonly name: string; readonly value: Buffer }[]> {
    return this.#parts.engine.listMeta(prefix);
  }

  status(): BackendStatus {
    const { revision, compactRevision } = this.#parts.engine;
    const { total, inUse } = this.#parts.engine.size();
    return { revision, compactRevision, dbSize: total, dbSizeInUse: inUse };
  }

  refuseGrowth(refuse: boolean): void {
    this.#parts.quota.isExceeded = refuse;
  }

  hash(revision: bigint) {
    return hashOf(this.#parts.engine, revision);
  }

  async *snapshot(signal: AbortSignal): AsyncIterable<Buffer> {
    const release = this.#parts.compactor.hold();
    try {
      yield* writeSnapshot(this.#parts.engine, signal);
    } finally {
      release();
    }
  }

  defragment(): Promise<void> {
    return this.#parts.commits.alone(() => this.#parts.engine.defragment());
  }

  async run(signal: AbortSignal): Promise<void> {
    const { engine, commits, hub, lessor, compactor } = this.#parts;
    await Promise.all([lessor.run(signal), compactor.run(signal)]);
    await commits.close();
    hub.close();
    await engine.close();
  }

  #admit(bytes: number, puts: readonly PutRequest[]): void {
    checkSize(bytes);
    for (const { key } of puts) checkKey(key, this.#parts.engine.maxKeyBytes);
    if (puts.length) this.#parts.quota.admit(bytes + 256 * puts.length);
  }
}

function putsOf({ success, failure }: TxnRequest): PutRequest[] {
  return [...success, ...failure].flatMap((op) =>
    op.kind === 'put' ? [op.request] : op.kind === 'txn' ? putsOf(op.request) : [],
  );
}

function checkKey(key: Buffer, maxKeyBytes: number): void {
  if (key.length * 2 <= maxKeyBytes) return;
  let bytes = key.length;
  for (const byte of key) if (byte === 0) bytes += 1;
  if (bytes > maxKeyBytes) checkSize(Number.POSITIVE_INFINITY);
}
