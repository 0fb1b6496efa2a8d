import { deletionBurstMs } from '../../schema/deletion.ts';
import type { InstanceId } from '../../schema/ids.ts';
import type { StateFacts } from './facts.ts';

/**
 * How many instances are being deleted, kept up to date change by change: a herd that seems to vanish at once is a sign
 * that somebody made a mistake, or that we do not see right.
 */
export class DeletionIndex {
  readonly #documents = new Set<InstanceId>();
  readonly #states = new Map<InstanceId, Pick<StateFacts, 'deleted' | 'deleting'> & { readonly kept: boolean }>();
  /** Without a document, and no pass has made anything of that yet. */
  readonly #pending = new Set<InstanceId>();
  /** When the deletion of those that a pass did take note of began. */
  readonly #begun = new Map<InstanceId, number>();

  /** Instances that have a state. */
  get size(): number {
    return this.#states.size;
  }

  setDocument(id: InstanceId, isThere: boolean): void {
    if (isThere) this.#documents.add(id);
    else this.#documents.delete(id);
    this.#update(id);
  }

  setState(id: InstanceId, state: StateFacts | undefined): void {
    if (!state) this.#states.delete(id);
    else {
      // What is protected or paused stays, so that its document is gone means nothing.
      const kept = state.accepted === undefined || state.accepted.deletion_protection || state.accepted.paused;
      this.#states.set(id, { deleted: state.deleted, deleting: state.deleting, kept });
    }
    this.#update(id);
  }

  /** Deletions of the last minutes and those that are yet to be decided, without those that an operator confirmed. */
  recent(nowMs: number): number {
    let count = this.#pending.size;
    for (const sinceMs of this.#begun.values()) if (sinceMs > nowMs - deletionBurstMs) count += 1;
    return count;
  }

  #update(id: InstanceId): void {
    const state = this.#states.get(id);
    const isGone = state !== undefined && !this.#documents.has(id);
    if (isGone && !state.kept && !state.deleted && !state.deleting) this.#pending.add(id);
    else this.#pending.delete(id);
    const { deleted } = state ?? {};
    if (isGone && deleted && !deleted.confirmed) this.#begun.set(id, Date.parse(deleted.since));
    else this.#begun.delete(id);
  }
}
