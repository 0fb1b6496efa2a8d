import type { Clock } from '../time/clock.ts';
import { keepLease, leaseBackoff } from './keep-lease.ts';
import { Published, spanOf } from './published.ts';
import type { RegistryNamespace } from './registry-namespace.ts';
import { releaseLease } from './release-lease.ts';
import { SharedLease } from './shared-lease.ts';
import { type Lease, rangeContains, type Store, type WriteOp } from './store.ts';
import { StoreError } from './store-error.ts';

export interface RegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly namespace: RegistryNamespace;
  /**
   * The members of a group share a lease, so what they publish vanishes when the last of them does. Without a group the
   * lease is ours alone, and there is no key with its id.
   */
  readonly group?: string;
  readonly ttlSeconds?: number;
  /** There is a lease, and nothing has been written on it yet: entries may still be published for it. */
  readonly onHeld?: (lease: Lease, held: AbortSignal) => Promise<void>;
  /** Everything of ours is in the store. */
  readonly onPublished?: () => void;
  /** The store could not be reached, or the lease is gone: it is tried again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** Keys in one transaction. */
const batchSize = 100;
/** Entries may change many times a second, and every write wakes those who follow them. */
const betweenWritesMs = 50;
/** Two that publish one entry with different values would overwrite each other without end. */
const betweenRepairsMs = 5_000;
const withdrawWithinMs = 2_000;

/**
 * Publishes entries under a namespace, on a lease: of this process, or of a group, whose first member leaves it for the
 * others to find. Whatever vanishes, the lease or an entry, is written again; what is there already is left alone.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #ttlSeconds: number;
  readonly #shared: SharedLease | undefined;
  /** By key; undefined: it is to be taken away. */
  readonly #wanted = new Map<string, string | undefined>();
  readonly #onTrouble: (error: unknown) => void;
  #isDirty = false;
  #wakeUp = () => {};

  constructor(options: RegistryOptions) {
    const { store, namespace, group } = options;
    this.#options = options;
    this.#ttlSeconds = options.ttlSeconds ?? 15;
    this.#onTrouble = options.onTrouble ?? (() => {});
    this.#shared =
      group === undefined ? undefined : new SharedLease(store, namespace.leaseKey(group), this.#ttlSeconds);
  }

  /** What `run` keeps in the store from now on. */
  publish(name: string, value: string): void {
    const { namespace } = this.#options;
    if (!namespace.isEntry(name)) {
      throw new StoreError('invalid', `an entry cannot be named ${JSON.stringify(name)}`);
    }
    this.#wanted.set(namespace.keyOf(name), value);
    this.#wake();
  }

  /** Takes an entry away. */
  withdraw(name: string): void {
    this.#wanted.set(this.#options.namespace.keyOf(name), undefined);
    this.#wake();
  }

  /** Publishes until the signal aborts, then takes everything of ours away. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.#options;
    const ttlSeconds = this.#ttlSeconds;
    const shared = this.#shared;
    await keepLease(
      {
        ...{ clock, ttlSeconds, onTrouble: this.#onTrouble },
        obtain: (until) => shared?.obtain(until) ?? store.lease(ttlSeconds, { signal: until }),
        letGo: (lease) => this.#letGo(lease),
      },
      signal,
      (lease, held) => this.#hold(lease, held),
    );
    if (shared) await this.#withdrawAll().catch(this.#onTrouble);
  }

  async #letGo(lease: Lease): Promise<void> {
    if (this.#shared) lease.abandon();
    else await releaseLease(lease, this.#options.clock, this.#onTrouble);
  }

  /** Keeps the entries as they should be until the lease is lost. */
  async #hold(lease: Lease, held: AbortSignal): Promise<void> {
    const { clock, onHeld, onPublished = () => {} } = this.#options;
    const backoff = leaseBackoff(this.#ttlSeconds);
    let isPublished = false;
    const onKept = () => {
      backoff.reset();
      if (!isPublished) onPublished();
      isPublished = true;
    };
    held.addEventListener('abort', () => this.#wake(), { once: true });
    while (!held.aborted) {
      try {
        await onHeld?.(lease, held);
        for (;;) await this.#keep(lease, held, onKept);
      } catch (error) {
        if (held.aborted) return;
        if (error instanceof StoreError && error.code === 'lease-lost') throw error;
        this.#onTrouble(error);
        await clock.sleep(backoff.next(), held).catch(() => {});
      }
    }
  }

  /** Writes what is missing, whenever something is; returns when there are keys that it has not looked at. */
  async #keep(lease: Lease, held: AbortSignal, onKept: () => void): Promise<void> {
    const { store, clock } = this.#options;
    const span = spanOf(this.#keys());
    const published = new Published(this.#wanted);
    const revision = await this.#look(published, held);
    const watching = new AbortController();
    const stop = () => watching.abort(held.reason);
    held.addEventListener('abort', stop, { once: true });
    let isDisturbed = false;
    const watch = async (): Promise<void> => {
      if (!span) return;
      for await (const { events } of store.watch(span, revision + 1n, { signal: watching.signal })) {
        const disturbing = events.filter((event) => published.changed(event, lease));
        if (disturbing.length > 0) isDisturbed = true;
        if (isDisturbed || (this.#shared && !published.has(this.#shared.key))) this.#wake();
      }
    };
    let failure: { readonly error: unknown } | undefined;
    const watched = watch().catch((error: unknown) => {
      failure = { error };
      this.#wake();
    });
    let nextRepairMs = 0;
    try {
      for (;;) {
        this.#isDirty = false;
        if (isDisturbed) {
          const waitMs = nextRepairMs - clock.monotonic();
          if (waitMs > 0) await clock.sleep(waitMs, held);
          nextRepairMs = clock.monotonic() + betweenRepairsMs;
          isDisturbed = false;
        }
        const hasWritten = await this.#write(published, lease, held);
        onKept();
        if (hasWritten) await clock.sleep(betweenWritesMs, held);
        await this.#dirty();
        held.throwIfAborted();
        if (failure) throw failure.error;
        if ([...this.#keys()].some((key) => !span || !rangeContains(span, key))) return;
      }
    } finally {
      held.removeEventListener('abort', stop);
      watching.abort();
      await watched;
    }
  }

  /** Reads all of our keys; returns the revision from which on changes are to be watched. */
  async #look(published: Published, signal: AbortSignal): Promise<bigint> {
    const keys = [...this.#keys()];
    let first: bigint | undefined;
    for (let at = 0; at < keys.length; at += batchSize) {
      const batch = keys.slice(at, at + batchSize);
      const then = batch.map((key) => ({ type: 'get', key }) as const);
      const { reads, revision } = await this.#options.store.txn({ if: [], then }, { signal });
      for (const [i, key] of batch.entries()) published.saw(key, reads[i], revision);
      first ??= revision;
    }
    return first ?? 0n;
  }

  /** Returns whether there was anything to write. */
  async #write(published: Published, lease: Lease, signal: AbortSignal): Promise<boolean> {
    const shared = this.#shared;
    if (shared && !published.has(shared.key)) {
      await shared.restore(lease, signal);
      published.wrote([{ type: 'put', key: shared.key, value: lease.id.toString() }], 0n);
    }
    const missing = published.missing(lease);
    const conditions = shared ? [shared.isAgreed(lease)] : [];
    for (let at = 0; at < missing.length; at += batchSize) {
      const then = missing.slice(at, at + batchSize);
      const { succeeded, revision } = await this.#options.store.txn({ if: conditions, then }, { signal });
      if (!succeeded) throw shared?.disagreement() ?? new Error('a transaction without conditions failed');
      published.wrote(then, revision);
      this.#forgetWithdrawn(then);
    }
    return missing.length > 0;
  }

  /** Those that are gone need not be looked after any more. */
  #forgetWithdrawn(written: readonly WriteOp[]): void {
    for (const op of written) {
      if (op.type === 'delete' && this.#wanted.get(op.key) === undefined) this.#wanted.delete(op.key);
    }
  }

  async #withdrawAll(): Promise<void> {
    const patience = new AbortController();
    const stop = this.#options.clock.after(withdrawWithinMs, () => patience.abort());
    const keys = [...this.#wanted.keys()];
    try {
      for (let at = 0; at < keys.length; at += batchSize) {
        const then = keys.slice(at, at + batchSize).map((key) => ({ type: 'delete', key }) as const);
        await this.#options.store.txn({ if: [], then }, { signal: patience.signal });
      }
    } finally {
      stop();
    }
  }

  #wake(): void {
    this.#isDirty = true;
    this.#wakeUp();
  }

  async #dirty(): Promise<void> {
    while (!this.#isDirty) {
      await new Promise<void>((resolve) => {
        this.#wakeUp = resolve;
      });
    }
  }

  *#keys(): Iterable<string> {
    yield* this.#wanted.keys();
    if (this.#shared) yield this.#shared.key;
  }
}
