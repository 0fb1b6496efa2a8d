import { type Clock, systemClock } from '../time/clock.ts';
import { EtcdCodec } from './etcd-codec.ts';
import { EtcdConnection, type EtcdEndpoints } from './etcd-connection.ts';
import { isCompacted, isTooLarge } from './etcd-errors.ts';
import { EtcdLease } from './etcd-lease.ts';
import { clusterIdOf, type RangeRequest, type RangeResponse } from './etcd-methods.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { fromBigInt, type Int64, toBigInt } from './int64.ts';
import {
  type CallOptions,
  type KeyRange,
  type KeyValue,
  keysOf,
  type Lease,
  type Store,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchOptions,
} from './store.ts';
import { StoreError } from './store-error.ts';

/** How to reach an etcd cluster, and where our keys are in it. */
export type EtcdStoreOptions = Omit<EtcdEndpoints, 'clock'> & {
  /** Put before every key, for example `/production`; empty unless given. */
  readonly root?: string;
  readonly clock?: Clock;
};

/** Keys in one page of a list. */
const pageSize = 500;
/** A list that is overtaken by compactions more often than this is not going to succeed. */
const listAttempts = 5;

/** The store in an etcd cluster. */
export class EtcdStore implements Store {
  readonly #connection: EtcdConnection;
  readonly #codec: EtcdCodec;
  readonly #clock: Clock;

  constructor(options: EtcdStoreOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#codec = new EtcdCodec(options.root ?? '');
    this.#connection = new EtcdConnection({ ...options, clock: this.#clock });
  }

  async get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: bigint }> {
    const { header, kvs } = await this.#range({ key: this.#codec.key(key) }, () => `get ${key}`, options);
    return { kv: kvs[0] && this.#codec.keyValue(kvs[0]), revision: toBigInt(header.revision) };
  }

  async list(range: KeyRange, options?: CallOptions): Promise<{ kvs: KeyValue[]; revision: bigint }> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#listPages(range, options);
      } catch (error) {
        // The revision of the first page was compacted: nothing is wrong with a newer one.
        if (!(error instanceof StoreError && isCompacted(error) && attempt < listAttempts)) throw error;
      }
    }
  }

  async txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    const response = await this.#connection.call(
      'txn',
      {
        compare: request.if.map((compare) => this.#codec.compare(compare)),
        success: request.then.map((op) => this.#codec.op(op)),
        failure: (request.else ?? []).map((op) => this.#codec.op(op)),
      },
      () => describe(request),
      options,
    );
    const { succeeded, header, responses } = response;
    const reads: (KeyValue | undefined)[] = [];
    const held: boolean[] = [];
    for (const [at, { type }] of (succeeded ? request.then : (request.else ?? [])).entries()) {
      const kv = responses[at]?.response_range?.kvs[0];
      if (type === 'get') reads.push(kv && this.#codec.keyValue(kv));
      else if (type === 'when') held.push(responses[at]?.response_txn?.succeeded === true);
    }
    return { succeeded, revision: toBigInt(header.revision), reads, held };
  }

  watch(range: KeyRange, fromRevision: bigint, options: WatchOptions): AsyncGenerator<WatchBatch, never, void> {
    return new EtcdWatch(this.#connection, this.#codec, this.#clock, { range, fromRevision }, options).run();
  }

  async lease(ttlSeconds: number, options?: CallOptions): Promise<Lease> {
    const sentMs = this.#clock.monotonic();
    const granted = await this.#connection.call(
      'leaseGrant',
      { TTL: ttlSeconds },
      () => `grant a lease of ${ttlSeconds} s`,
      options,
    );
    return new EtcdLease(this.#connection, this.#clock, toBigInt(granted.ID), Number(toBigInt(granted.TTL)), sentMs);
  }

  async joinLease(id: bigint, options?: CallOptions): Promise<Lease | undefined> {
    const sentMs = this.#clock.monotonic();
    const attempted = () => `join lease ${id.toString(16)}`;
    const { TTL } = await this.#connection.call('leaseKeepAlive', { ID: fromBigInt(id) }, attempted, options);
    const ttlSeconds = Number(toBigInt(TTL));
    return ttlSeconds > 0 ? new EtcdLease(this.#connection, this.#clock, id, ttlSeconds, sentMs) : undefined;
  }

  async identity(options?: CallOptions): Promise<{ clusterId: string; revision: bigint }> {
    const request = { key: this.#codec.key('/'), count_only: true };
    const { header } = await this.#range(request, () => 'ask for the identity of the store', options);
    return { clusterId: clusterIdOf(header), revision: toBigInt(header.revision) };
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async #listPages(range: KeyRange, options?: CallOptions): Promise<{ kvs: KeyValue[]; revision: bigint }> {
    const kvs: KeyValue[] = [];
    const attempted = () => `list ${range.start}`;
    let { key, range_end } = this.#codec.range(range);
    let revision: Int64 | undefined;
    let limit = pageSize;
    for (;;) {
      let page: RangeResponse;
      try {
        page = await this.#range({ key, range_end, limit, ...(revision && { revision }) }, attempted, options);
      } catch (error) {
        if (!(error instanceof StoreError && isTooLarge(error) && limit > 1)) throw error;
        limit = Math.ceil(limit / 8);
        continue;
      }
      revision ??= page.header.revision;
      for (const kv of page.kvs) kvs.push(this.#codec.keyValue(kv));
      const last = page.kvs.at(-1);
      if (!page.more || !last) return { kvs, revision: toBigInt(revision) };
      key = Buffer.concat([last.key, Buffer.of(0)]);
    }
  }

  #range(request: RangeRequest, attempted: () => string, options?: CallOptions): Promise<RangeResponse> {
    return this.#connection.call('range', request, attempted, options);
  }
}

/** Names the keys that a transaction writes, never their values. */
function describe({ if: compares, then: ops }: TxnRequest): string {
  const keys = ops.flatMap(keysOf);
  const [first = compares[0]?.key ?? 'nothing', ...others] = keys;
  return `transaction on ${first}${others.length > 0 ? ` and ${others.length} more` : ''}`;
}
