import type { Compare, Lease, Store } from './store.ts';
import { StoreError } from './store-error.ts';

/** The lease that the members of a group share. Its id stands in a key, on which all agree because only one can create it. */
export class SharedLease {
  readonly key: string;
  readonly #store: Store;
  readonly #ttlSeconds: number;

  constructor(store: Store, key: string, ttlSeconds: number) {
    this.#store = store;
    this.key = key;
    this.#ttlSeconds = ttlSeconds;
  }

  /** The lease of the group: found, or made if nobody else was faster. */
  async obtain(signal: AbortSignal): Promise<Lease> {
    const store = this.#store;
    for (;;) {
      const { kv } = await store.get(this.key, { signal });
      const joined = kv && (await store.joinLease(leaseIdIn(kv.value), { signal }));
      if (joined) return joined;
      if (kv) {
        // Somebody wrote it without a lease, or with a wrong one: it would stay for ever.
        const isSame = { key: this.key, target: 'mod', op: '=', value: kv.modRevision } as const;
        await store.txn({ if: [isSame], then: [{ type: 'delete', key: this.key }] }, { signal });
      }
      const lease = await store.lease(this.#ttlSeconds, { signal });
      if (await this.#put(lease, signal)) return lease;
      await lease.revoke({ signal });
    }
  }

  /** That the group still agrees on this lease. */
  isAgreed(lease: Lease): Compare {
    return { key: this.key, target: 'value', op: '=', value: lease.id.toString() };
  }

  /** Writes the key again after it vanished. */
  async restore(lease: Lease, signal: AbortSignal): Promise<void> {
    if (!(await this.#put(lease, signal))) throw this.disagreement();
  }

  disagreement(): StoreError {
    return new StoreError('lease-lost', `${this.key} names another lease`);
  }

  async #put(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const isAbsent = { key: this.key, target: 'create', op: '=', value: 0n } as const;
    const put = { type: 'put', key: this.key, value: lease.id.toString(), leaseId: lease.id } as const;
    return (await this.#store.txn({ if: [isAbsent], then: [put] }, { signal })).succeeded;
  }
}

/** 0, which is no lease, when it is no number. */
const leaseIdIn = (text: string): bigint => (/^-?\d{1,19}$/.test(text) ? BigInt(text) : 0n);
