import type {
  CallOptions,
  KeyRange,
  KeyValue,
  Lease,
  Store,
  TxnRequest,
  TxnResult,
  WatchBatch,
  WatchOptions,
} from '../store/store.ts';
import { StoreError, type StoreErrorCode } from '../store/store-error.ts';
import type { RequestMethod, RequestMetrics, RequestSeries } from './request-metrics.ts';

/** A store that counts its requests. */
export class MeteredStore implements Store {
  readonly #store: Store;
  readonly #series: RequestSeries;

  /** `host` is the label under which the requests are counted. */
  constructor(store: Store, metrics: RequestMetrics, host: string) {
    this.#store = store;
    this.#series = metrics.client(host);
  }

  get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: bigint }> {
    return this.#count('get', this.#store.get(key, options));
  }

  list(range: KeyRange, options?: CallOptions): Promise<{ kvs: KeyValue[]; revision: bigint }> {
    return this.#count('list', this.#store.list(range, options));
  }

  txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    return this.#count('txn', this.#store.txn(request, options));
  }

  /** Every connection of a watch counts as a request. */
  watch(range: KeyRange, fromRevision: bigint, options: WatchOptions): AsyncGenerator<WatchBatch, never, void> {
    return this.#store.watch(range, fromRevision, {
      ...options,
      onConnect: () => {
        this.#series.answered('watch', 'OK');
        options.onConnect?.();
      },
      onDisconnect: (error) => {
        this.#series.answered('watch', codeOf(error));
        options.onDisconnect?.(error);
      },
    });
  }

  lease(ttlSeconds: number, options?: CallOptions): Promise<Lease> {
    return this.#count('lease', this.#store.lease(ttlSeconds, options));
  }

  joinLease(id: bigint, options?: CallOptions): Promise<Lease | undefined> {
    return this.#count('lease', this.#store.joinLease(id, options));
  }

  identity(options?: CallOptions): Promise<{ clusterId: string; revision: bigint }> {
    return this.#count('identity', this.#store.identity(options));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #count<T>(method: RequestMethod, answer: Promise<T>): Promise<T> {
    try {
      const result = await answer;
      this.#series.answered(method, 'OK');
      return result;
    } catch (error) {
      this.#series.answered(method, codeOf(error));
      throw error;
    }
  }
}

const grpcCodes: Partial<Record<StoreErrorCode, string>> = {
  unavailable: 'UNAVAILABLE',
  unauthenticated: 'UNAUTHENTICATED',
  'permission-denied': 'PERMISSION_DENIED',
  'no-space': 'RESOURCE_EXHAUSTED',
  invalid: 'INVALID_ARGUMENT',
};

function codeOf(error: unknown): string {
  return (error instanceof StoreError && grpcCodes[error.code]) || 'UNKNOWN';
}
