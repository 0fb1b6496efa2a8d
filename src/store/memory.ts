import type { Clock } from '../time/clock.ts';
import { Keyspace } from './keyspace.ts';
import { MemoryLease } from './memory-lease.ts';
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
} from './store.ts';
import { StoreError } from './store-error.ts';

/**
 * A store in this process, for tests and simulations: one client of a `Keyspace`. It can be disconnected, so that
 * everything above can be tested for what a network does; stores that share a keyspace are independent clients of it.
 */
export class MemoryStore implements Store {
  readonly keyspace: Keyspace;
  readonly #clock: Clock;
  readonly #leases = new Map<bigint, MemoryLease>();
  readonly #watches = new Set<MemoryWatch>();
  #state: 'connected' | 'disconnected' | 'closed' = 'connected';

  constructor(options: { readonly clock: Clock; readonly keyspace?: Keyspace }) {
    this.#clock = options.clock;
    this.keyspace = options.keyspace ?? new Keyspace();
  }

  async get(key: string, options?: CallOptions): Promise<{ kv: KeyValue | undefined; revision: bigint }> {
    this.#check(`get ${key}`, options);
    return { kv: this.keyspace.get(key), revision: this.keyspace.revision };
  }

  async list(range: KeyRange, options?: CallOptions): Promise<{ kvs: KeyValue[]; revision: bigint }> {
    this.#check(`list ${range.start}`, options);
    return { kvs: this.keyspace.list(range), revision: this.keyspace.revision };
  }

  async txn(request: TxnRequest, options?: CallOptions): Promise<TxnResult> {
    this.#check('transaction', options);
    return this.keyspace.txn(request);
  }

  async *watch(range: KeyRange, fromRevision: bigint, options: WatchOptions): AsyncGenerator<WatchBatch, never, void> {
    const watch = new MemoryWatch(options.signal);
    this.#watches.add(watch);
    let next = fromRevision;
    try {
      for (;;) {
        if (this.#state === 'disconnected') options.onDisconnect?.(this.#unavailable(`watch ${range.start}`));
        while (this.#state === 'disconnected') await watch.changed();
        this.#check(`watch ${range.start}`, options);
        const missed = this.keyspace.since(range, next);
        const pending = missed ? [missed] : [];
        const unsubscribe = this.keyspace.subscribe(range, next, (batch) => {
          pending.push(batch);
          watch.wake();
        });
        try {
          options.onConnect?.();
          while (this.#state === 'connected') {
            const events = pending.splice(0).flatMap((batch) => batch.events);
            const revision = lastRevision(events);
            if (revision === undefined) {
              await watch.changed();
            } else {
              next = revision + 1n;
              yield { revision, events };
            }
            options.signal.throwIfAborted();
          }
        } finally {
          unsubscribe();
        }
      }
    } finally {
      this.#watches.delete(watch);
      watch.end();
    }
  }

  async lease(ttlSeconds: number, options?: CallOptions): Promise<Lease> {
    this.#check(`lease of ${ttlSeconds} s`, options);
    return this.#hold(this.keyspace.grant(ttlSeconds), ttlSeconds);
  }

  async joinLease(id: bigint, options?: CallOptions): Promise<Lease | undefined> {
    this.#check(`join lease ${id}`, options);
    const ttlSeconds = this.keyspace.ttlOf(id);
    return ttlSeconds === undefined ? undefined : this.#hold(id, ttlSeconds);
  }

  async identity(options?: CallOptions): Promise<{ clusterId: string; revision: bigint }> {
    this.#check('identity', options);
    return { clusterId: 'memory', revision: this.keyspace.revision };
  }

  async close(): Promise<void> {
    this.#setState('closed');
    for (const lease of this.#leases.values()) lease.abandon();
    this.#leases.clear();
  }

  #hold(leaseId: bigint, ttlSeconds: number): MemoryLease {
    const lease = new MemoryLease(this.keyspace, this.#clock, leaseId, ttlSeconds, (id) => {
      this.#leases.delete(id);
      this.#check(`revoke lease ${id}`);
    });
    this.#leases.set(leaseId, lease);
    return lease;
  }

  /** Test hook: forgets the history before `revision`. */
  compact(revision: bigint): void {
    this.keyspace.compact(revision);
  }

  /** Test hook: the network goes away for this client. Leases run out unless `reconnect` is called in time. */
  disconnect(): void {
    this.#setState('disconnected');
    for (const lease of this.#leases.values()) lease.disconnect();
  }

  /** Test hook: the network is back. */
  reconnect(): void {
    this.#setState('connected');
    for (const lease of this.#leases.values()) lease.reconnect();
  }

  /** Test hook: the server ends the lease now; its holder learns with the keep-alive that would be next. */
  expireLease(id: bigint): void {
    this.keyspace.revoke(id);
    this.#leases.get(id)?.expire();
    this.#leases.delete(id);
  }

  #setState(state: 'connected' | 'disconnected' | 'closed'): void {
    this.#state = state;
    for (const watch of this.#watches) watch.wake();
  }

  #check(attempted: string, options?: CallOptions): void {
    options?.signal?.throwIfAborted();
    if (this.#state !== 'connected') throw this.#unavailable(attempted);
  }

  #unavailable(attempted: string): StoreError {
    return new StoreError('unavailable', `${attempted}: the store is ${this.#state}`);
  }
}

function lastRevision(events: WatchBatch['events']): bigint | undefined {
  const last = events.at(-1);
  return last?.type === 'put' ? last.kv.modRevision : last?.modRevision;
}

/** Lets one watch sleep until something happens to it. */
class MemoryWatch {
  readonly #signal: AbortSignal;
  #resolve: () => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  readonly #onAbort = () => this.#reject(this.#signal.reason);

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#onAbort);
  }

  changed(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#signal.aborted) return reject(this.#signal.reason);
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  wake(): void {
    this.#resolve();
  }

  end(): void {
    this.#signal.removeEventListener('abort', this.#onAbort);
  }
}
