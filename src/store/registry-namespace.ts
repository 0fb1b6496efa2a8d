import { type CallOptions, type KeyRange, prefixRange, type Store } from './store.ts';

/** An entry of a namespace, by its name in it. */
export interface RegistryEntry {
  readonly name: string;
  readonly value: string;
}

/** A change of an entry; a value of undefined: it has gone. */
export interface RegistryChange {
  readonly name: string;
  readonly value: string | undefined;
}

/** A part of the key space in which members of groups publish entries. */
export class RegistryNamespace {
  readonly #store: Store;
  readonly #prefix: string;

  /** `path` is for example `/dba/studio/contributors`. */
  constructor(store: Store, path: string) {
    this.#store = store;
    this.#prefix = `${path.replace(/\/+$/, '')}/`;
  }

  get range(): KeyRange {
    return prefixRange(this.#prefix);
  }

  /** Where the members of a group find their lease. */
  leaseKey(group: string): string {
    return `${this.#prefix}${group}/lease`;
  }

  keyOf(name: string): string {
    return this.#prefix + name;
  }

  nameOf(key: string): string {
    return key.slice(this.#prefix.length);
  }

  /** What else is in a namespace are the lease keys of its groups. */
  isEntry(name: string): boolean {
    return name !== '' && !/^[^/]+\/lease$/.test(name);
  }

  /** Every entry, whoever published it. */
  async list(options?: CallOptions): Promise<{ entries: RegistryEntry[]; revision: bigint }> {
    const { kvs, revision } = await this.#store.list(this.range, options);
    const all = kvs.map(({ key, value }) => ({ name: this.nameOf(key), value }));
    return { entries: all.filter(({ name }) => this.isEntry(name)), revision };
  }

  /** Every change after a revision that `list` has returned. */
  async *follow(fromRevision: bigint, signal: AbortSignal): AsyncGenerator<RegistryChange, never, void> {
    for await (const batch of this.#store.watch(this.range, fromRevision + 1n, { signal })) {
      for (const event of batch.events) {
        const name = this.nameOf(event.type === 'put' ? event.kv.key : event.key);
        if (this.isEntry(name)) yield { name, value: event.type === 'put' ? event.kv.value : undefined };
      }
    }
    throw signal.reason;
  }
}
