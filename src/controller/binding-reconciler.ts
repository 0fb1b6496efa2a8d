import type { ReconcileContext, Result } from '../engine/controller.ts';
import type { NodeId } from '../schema/ids.ts';
import type { Compare, Store } from '../store/store.ts';
import { commit } from './commit.ts';
import { decideBindings } from './decide/registrar.ts';
import type { BindingIndex } from './view/binding-index.ts';
import type { Informers } from './view/informers.ts';

const retryAfterMs = 1_000;

/** One pass over the registrar keys of one node: removes those that lie. */
export class BindingReconciler {
  readonly #store: Store;
  readonly #informers: Informers;
  readonly #index: BindingIndex;

  constructor(store: Store, informers: Informers, index: BindingIndex) {
    this.#store = store;
    this.#informers = informers;
    this.#index = index;
  }

  async reconcile(node: string, fence: Compare, { signal, logger }: ReconcileContext): Promise<Result> {
    const decision = decideBindings(this.#index.view(node as NodeId));
    if (decision.ops.length === 0) return {};
    const outcome = await commit(this.#store, fence, decision, signal);
    if (!outcome.committed) return { requeueAfterMs: retryAfterMs };
    const keys = decision.ops.flatMap((op) => (op.type === 'delete' ? [op.key] : []));
    logger.info({ node, keys }, 'stale registrar keys removed');
    await this.#informers.reached(keys, outcome.revision, signal);
    return {};
  }
}
