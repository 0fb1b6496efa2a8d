import type { DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest } from '../messages.ts';
import type { Needs, ScanOptions } from '../storage/engine.ts';
import { isSingleKey, spanOf } from './key-span.ts';
import { scanOptions } from './range.ts';

/** Collects what requests will look at, for engines that must fetch it first. */
export class NeedsOfRequests implements Needs {
  readonly keys: Buffer[] = [];
  readonly scans: {
    readonly span: ReturnType<typeof spanOf>;
    readonly options: ScanOptions;
    readonly rows: boolean;
  }[] = [];
  readonly leases: bigint[] = [];
  readonly keysOf: bigint[] = [];
  readonly meta: string[] = [];
  /** Rows that a write of the same batch may add or remove make a limit useless. */
  readonly #limits: boolean;

  constructor(limits: boolean) {
    this.#limits = limits;
  }

  range(request: RangeRequest): this {
    if (isSingleKey(request) && request.revision <= 0n) this.keys.push(request.key);
    else {
      const { limit, ...options } = scanOptions(request);
      const span = spanOf(request.key, request.rangeEnd);
      this.scans.push({ span, options: this.#limits ? { ...options, limit } : options, rows: !request.countOnly });
      // The revision may be that of a write of the same batch.
      if (!this.#limits && options.revision !== undefined) this.scans.push({ span, options: {}, rows: true });
    }
    return this;
  }

  put({ key, lease }: PutRequest): this {
    this.keys.push(key);
    if (lease !== 0n) this.leases.push(lease);
    return this;
  }

  deleteRange(request: DeleteRangeRequest): this {
    this.#present(request);
    return this;
  }

  txn({ compare, success, failure }: TxnRequest): this {
    for (const condition of compare) this.#present(condition);
    for (const op of [...success, ...failure]) {
      if (op.kind === 'range') this.range(op.request);
      else if (op.kind === 'put') this.put(op.request);
      else if (op.kind === 'deleteRange') this.deleteRange(op.request);
      else if (op.kind === 'txn') this.txn(op.request);
    }
    return this;
  }

  lease(id: bigint): this {
    this.leases.push(id);
    return this;
  }

  named(meta: string): this {
    this.meta.push(meta);
    return this;
  }

  /** A lease with its keys, to be deleted. */
  leaseWithKeys(id: bigint): this {
    this.keysOf.push(id);
    return this.lease(id);
  }

  #present({ key, rangeEnd }: { readonly key: Buffer; readonly rangeEnd: Buffer }): void {
    if (rangeEnd.length === 0) this.keys.push(key);
    else this.scans.push({ span: spanOf(key, rangeEnd), options: {}, rows: true });
  }
}
