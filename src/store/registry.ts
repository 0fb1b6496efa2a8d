import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { RegistryNamespace } from './registry-namespace.ts';
import type { Lease, Store, WatchEvent } from './store.ts';
import { StoreError } from './store-error.ts';

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly namespace: RegistryNamespace;
  /** The members of one cluster share a lease: what they publish vanishes when the last of them does. */
  readonly group: string;
  readonly ttlSeconds?: number;
  /** Everything of ours is in the store. */
  readonly onPublished?: () => void;
  /** The store could not be reached, or what was published had vanished: it is tried again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** Keys in one transaction. */
const batchSize = 100;
const retriesPerInterval = 10;
const withdrawWithinMs = 5_000;

/**
 * Publishes entries under a namespace. The first member of a group creates the lease, in a transaction that only one can
 * win, and leaves its id in the lease key; the others find it there and keep it alive with him. Whatever vanishes, the
 * lease or an entry, is written again; what is there already is left alone.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #ttlSeconds: number;
  readonly #leaseKey: string;
  readonly #entries = new Map<string, string>();
  readonly #withdrawn = new Set<string>();
  #wake = () => {};

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#ttlSeconds = options.ttlSeconds ?? 15;
    this.#leaseKey = options.namespace.leaseKey(options.group);
  }

  /** What `run` keeps in the store from now on. */
  publish(name: string, value: string): void {
    if (!this.#options.namespace.isEntry(name)) {
      throw new StoreError('invalid', `an entry cannot be named ${JSON.stringify(name)}`);
    }
    this.#entries.set(name, value);
    this.#withdrawn.delete(name);
    this.#wake();
  }

  /** Takes an entry away. */
  withdraw(name: string): void {
    if (this.#entries.delete(name)) this.#withdrawn.add(name);
    this.#wake();
  }

  /** Publishes until the signal aborts, then takes everything of ours away. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, onTrouble = () => {} } = this.#options;
    const intervalMs = (this.#ttlSeconds * 1000) / 4;
    const backoff = new Backoff({ baseMs: intervalMs / retriesPerInterval, capMs: intervalMs });
    while (!signal.aborted) {
      try {
        const lease = await this.#share(signal);
        try {
          await this.#hold(lease, signal, () => backoff.reset());
        } finally {
          lease.abandon();
        }
        if (!signal.aborted) onTrouble(lost(`the lease of ${this.#leaseKey} is gone`));
      } catch (error) {
        if (signal.aborted) break;
        onTrouble(error);
        await clock.sleep(backoff.next(), signal).catch(() => {});
      }
    }
    await this.#withdrawAll().catch(onTrouble);
  }

  /** The lease of the group: found, or made if nobody else was faster. */
  async #share(signal: AbortSignal): Promise<Lease> {
    const { store } = this.#options;
    for (;;) {
      const { kv } = await store.get(this.#leaseKey, { signal });
      const joined = kv && (await store.joinLease(leaseIdIn(kv.value), { signal }));
      if (joined) return joined;
      if (kv) {
        // Somebody wrote it without a lease, or with a wrong one: it would stay for ever.
        const isSame = { key: this.#leaseKey, target: 'mod', op: '=', value: kv.modRevision } as const;
        await store.txn({ if: [isSame], then: [{ type: 'delete', key: this.#leaseKey }] }, { signal });
      }
      const lease = await store.lease(this.#ttlSeconds, { signal });
      if (await this.#putLeaseKey(lease, signal)) return lease;
      await lease.revoke({ signal });
    }
  }

  /** Keeps the entries as they should be; returns when the lease is lost. */
  async #hold(lease: Lease, signal: AbortSignal, onHeld: () => void): Promise<void> {
    const { store, namespace, onPublished } = this.#options;
    const until = AbortSignal.any([signal, lease.lost]);
    let isDirty = false;
    let wakeUp = () => {};
    const wake = () => {
      isDirty = true;
      wakeUp();
    };
    this.#wake = wake;
    until.addEventListener('abort', wake, { once: true });
    const watch = async (fromRevision: bigint): Promise<void> => {
      for await (const { events } of store.watch(namespace.range, fromRevision, { signal: until })) {
        if (events.some((event) => this.#disturbs(event))) wake();
      }
    };
    try {
      const revision = await this.#write(lease, until);
      onHeld();
      onPublished?.();
      const watching = watch(revision + 1n);
      watching.catch(() => {});
      while (!until.aborted) {
        const woken = new Promise<void>((resolve) => {
          wakeUp = resolve;
        });
        if (!isDirty) await Promise.race([watching, woken]);
        isDirty = false;
        if (!until.aborted) await this.#write(lease, until);
      }
    } catch (error) {
      if (!until.aborted) throw error;
    } finally {
      this.#wake = () => {};
      until.removeEventListener('abort', wake);
    }
  }

  /** Whether something of ours is not any more as we wrote it. */
  #disturbs(event: WatchEvent): boolean {
    const nameOf = (key: string) => this.#options.namespace.nameOf(key);
    if (event.type === 'delete') return event.key === this.#leaseKey || this.#entries.has(nameOf(event.key));
    const wanted = this.#entries.get(nameOf(event.kv.key));
    return wanted !== undefined && wanted !== event.kv.value;
  }

  /** Makes the store as it should be, writing only what differs; returns the revision that it looked at. */
  async #write(lease: Lease, signal: AbortSignal): Promise<bigint> {
    const { store, namespace } = this.#options;
    await this.#deleteWithdrawn(signal);
    const { kvs, revision } = await store.list(namespace.range, { signal });
    const there = new Map(kvs.map((kv) => [kv.key, kv]));
    if (!there.has(this.#leaseKey) && !(await this.#putLeaseKey(lease, signal))) {
      throw lost(`${this.#leaseKey} names another lease`);
    }
    const missing = [...this.#entries].filter(([name, value]) => {
      const kv = there.get(namespace.keyOf(name));
      return kv?.value !== value || kv.leaseId !== lease.id;
    });
    for (let at = 0; at < missing.length; at += batchSize) {
      const then = missing
        .slice(at, at + batchSize)
        .map(([name, value]) => ({ type: 'put', key: namespace.keyOf(name), value, leaseId: lease.id }) as const);
      const isOurs = { key: this.#leaseKey, target: 'value', op: '=', value: lease.id.toString() } as const;
      const { succeeded } = await store.txn({ if: [isOurs], then }, { signal });
      if (!succeeded) throw lost(`${this.#leaseKey} names another lease`);
    }
    return revision;
  }

  async #putLeaseKey(lease: Lease, signal: AbortSignal): Promise<boolean> {
    const isAbsent = { key: this.#leaseKey, target: 'create', op: '=', value: 0n } as const;
    const put = { type: 'put', key: this.#leaseKey, value: lease.id.toString(), leaseId: lease.id } as const;
    return (await this.#options.store.txn({ if: [isAbsent], then: [put] }, { signal })).succeeded;
  }

  async #withdrawAll(): Promise<void> {
    for (const name of this.#entries.keys()) this.#withdrawn.add(name);
    const patience = new AbortController();
    const stop = this.#options.clock.after(withdrawWithinMs, () => patience.abort());
    try {
      await this.#deleteWithdrawn(patience.signal);
    } finally {
      stop();
    }
  }

  async #deleteWithdrawn(signal: AbortSignal): Promise<void> {
    const { store, namespace } = this.#options;
    const names = [...this.#withdrawn];
    for (let at = 0; at < names.length; at += batchSize) {
      const batch = names.slice(at, at + batchSize);
      const then = batch.map((name) => ({ type: 'delete', key: namespace.keyOf(name) }) as const);
      await store.txn({ if: [], then }, { signal });
      for (const name of batch) this.#withdrawn.delete(name);
    }
  }
}

const lost = (message: string): StoreError => new StoreError('lease-lost', message);

/** 0, which is no lease, when it is no number. */
const leaseIdIn = (text: string): bigint => (/^-?\d{1,19}$/.test(text) ? BigInt(text) : 0n);
