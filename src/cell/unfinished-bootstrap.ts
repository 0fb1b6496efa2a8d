import type { InstanceId, NodeId } from '../schema/ids.ts';
import { initializeKey, parseMember, scopePrefix } from '../schema/patroni.ts';
import { prefixRange, type Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { Runtime } from './runtime/runtime.ts';

// Longer than any turn of Patroni's loop: by then who bootstraps has said so in its member key.
const abandonedAfterMs = 30_000;

/**
 * Patroni marks a bootstrap by an empty `initialize` key, which no lease takes away, and nobody else begins one while it
 * is there. Who crashes in the middle leaves it behind, and PostgreSQL's data without accounts; started again, Patroni
 * would take these data for the instance. No leader has existed by then, so nothing of value can be in them.
 */
export class UnfinishedBootstrap {
  readonly #store: Store;
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  /** Revision of the empty key, and since when it has been that, by node. */
  readonly #seen = new Map<NodeId, { readonly revision: bigint; readonly sinceMs: number }>();

  constructor({ store, runtime, clock }: { store: Store; runtime: Runtime; clock: Clock }) {
    this.#store = store;
    this.#runtime = runtime;
    this.#clock = clock;
  }

  /**
   * A node ended of which nobody knows that it was ever more than a beginning. If the instance has none but that, only
   * who bootstrapped has data: they are put aside, and the instance may be bootstrapped anew.
   */
  async clear(instance: InstanceId, node: NodeId, signal: AbortSignal): Promise<boolean> {
    const key = initializeKey(instance);
    const { kv } = await this.#store.get(key, { signal });
    if (kv?.value !== '') return false;
    if (!(await this.#runtime.putDataAside(node))) return false;
    await this.#delete(key, kv.modRevision, signal);
    return true;
  }

  /** Whether the running node's instance is bootstrapped. Takes away the mark of a bootstrap that nobody goes on with. */
  async isOver(instance: InstanceId, node: NodeId, signal: AbortSignal): Promise<boolean> {
    const key = initializeKey(instance);
    const { kv } = await this.#store.get(key, { signal });
    if (kv?.value !== '') {
      this.#seen.delete(node);
      return kv !== undefined;
    }
    const seen = this.#seen.get(node);
    const nowMs = this.#clock.monotonic();
    if (seen?.revision !== kv.modRevision) this.#seen.set(node, { revision: kv.modRevision, sinceMs: nowMs });
    else if (nowMs - seen.sinceMs > abandonedAfterMs && !(await this.#isBusy(instance, signal))) {
      await this.#delete(key, kv.modRevision, signal);
    }
    return false;
  }

  /** Whether a member of the instance does anything but wait. */
  async #isBusy(instance: InstanceId, signal: AbortSignal): Promise<boolean> {
    const { kvs } = await this.#store.list(prefixRange(`${scopePrefix(instance)}members/`), { signal });
    return kvs.some(({ value }) => {
      const member = parseMember(value);
      return !member.ok || member.value.state !== 'stopped';
    });
  }

  async #delete(key: string, modRevision: bigint, signal: AbortSignal): Promise<void> {
    const unchanged = { key, target: 'mod', op: '=', value: modRevision } as const;
    await this.#store.txn({ if: [unchanged], then: [{ type: 'delete', key }] }, { signal });
  }
}
