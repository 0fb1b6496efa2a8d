import { type Compare, keysOf, maxTxnOps, type Op, type Store } from '../store/store.ts';

/** Writes that belong together: all or none, if the conditions hold. */
export interface Write {
  readonly if: readonly Compare[];
  readonly then: readonly Op[];
}

/** Whether a write was done, and the store's revision after it. */
export interface Written {
  readonly succeeded: boolean;
  readonly revision: bigint;
}

interface Waiting extends Write {
  readonly resolve: (written: Written) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Puts the writes of many nodes that come while a transaction is on its way into the next one, in their order. If the
 * conditions of one of them fail, none was done, and each is tried by itself.
 */
export class GroupCommit {
  readonly #store: Store;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(store: Store) {
    this.#store = store;
  }

  commit(write: Write): Promise<Written> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...write, resolve, reject });
      if (!this.#isBusy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isBusy = true;
    // What is decided in this turn of the event loop goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commitTogether(this.#takeBatch());
    this.#isBusy = false;
  }

  #takeBatch(): Waiting[] {
    let size = 0;
    const keys = new Set<string>();
    const end = this.#waiting.findIndex((write) => {
      // etcd counts conditions and operations apart, each against the same limit.
      size += Math.max(write.if.length, write.then.length);
      const written = write.then.flatMap(keysOf);
      // It also refuses to write a key twice.
      if (size > maxTxnOps || written.some((key) => keys.has(key))) return true;
      for (const key of written) keys.add(key);
      return false;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(end, 1));
  }

  async #commitTogether(batch: readonly Waiting[]): Promise<void> {
    try {
      const together = { if: batch.flatMap((write) => write.if), then: batch.flatMap((write) => write.then) };
      const { succeeded, revision } = await this.#store.txn(together);
      if (succeeded || batch.length === 1) for (const write of batch) write.resolve({ succeeded, revision });
      else await Promise.all(batch.map((write) => this.#commitTogether([write])));
    } catch (error) {
      for (const write of batch) write.reject(error);
    }
  }
}
