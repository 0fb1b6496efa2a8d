import { type Compare, maxTxnOps, type Op, type Store } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import { commit, type Outcome, refuseDeposed } from './commit.ts';
import type { Decision } from './decide/decision.ts';
import { TouchedKeys } from './touched-keys.ts';

type Due = Pick<Decision, 'compares' | 'ops'>;

interface Waiting extends Due {
  readonly fence: Compare;
  readonly signal: AbortSignal;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** At most so many decisions in a transaction; each may then be as large as the rest of what etcd allows. */
const mostTogether = 32;
/** etcd takes requests of 1.5 MB. */
const mostBytes = 512 * 1024;

/**
 * Commits what passes decide, in one request for all that wait while the one before is on its way. Each decision is a
 * transaction of its own within it: done if its own conditions hold, whatever becomes of the others, and none is done
 * by a controller that leads no more. Only decisions that do not touch each other's keys go together, so that the
 * outcome is that of one after the other; but the next port, which all creations raise, goes to the highest at once.
 */
export class Commits {
  readonly #store: Store;
  readonly #waiting: Waiting[] = [];
  #isBusy = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** As `commit` does it. A decision that still waits when the signal aborts is not sent. */
  commit(fence: Compare, { compares, ops }: Due, signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      const settling =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          signal.removeEventListener('abort', onAbort);
          settle(value);
        };
      const settle = { resolve: settling(resolve), reject: settling(reject) };
      this.#waiting.push({ fence, compares, ops, signal, ...settle });
      if (!this.#isBusy) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isBusy = true;
    // What is decided in this turn of the event loop goes along.
    await Promise.resolve();
    for (let batch = this.#takeBatch(); batch.length > 0; batch = this.#takeBatch()) await this.#send(batch);
    this.#isBusy = false;
  }

  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const touched = new TouchedKeys(maxTxnOps - mostTogether - 1);
    let bytes = 0;
    for (const each of this.#waiting.splice(0)) {
      if (each.signal.aborted) continue;
      bytes += sizeOf(each);
      const fits = batch.length < mostTogether && bytes <= mostBytes && batch[0]?.fence === each.fence;
      if (batch.length === 0 || (fits && touched.isFree(each))) {
        batch.push(each);
        touched.add(each);
      } else this.#waiting.push(each);
    }
    return batch;
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    const [first] = batch;
    if (first && batch.length === 1) {
      return commit(this.#store, first.fence, first, first.signal).then(first.resolve, first.reject);
    }
    try {
      const outcomes = await this.#together(batch);
      for (const [at, { resolve }] of batch.entries()) resolve(outcomes[at] as Outcome);
    } catch (error) {
      const isRefused = error instanceof StoreError && error.code === 'invalid';
      // Something about one of them: it is to fail alone.
      if (isRefused) await Promise.all(batch.map((each) => this.#send([each])));
      else for (const { reject } of batch) reject(error);
    }
  }

  async #together(batch: readonly Waiting[]): Promise<Outcome[]> {
    const { fence } = batch[0] as Waiting;
    const raised = new Map<string, string>();
    const then: Op[] = batch.map(({ compares, ops }) => {
      for (const op of ops) {
        if (op.type === 'raise' && op.value > (raised.get(op.key) ?? '')) raised.set(op.key, op.value);
      }
      return { type: 'when', if: compares, then: ops.filter((op) => op.type === 'put' || op.type === 'delete') };
    });
    for (const [key, value] of raised) then.push({ type: 'raise', key, value });
    const result = await this.#store.txn({ if: [fence], then, else: [{ type: 'get', key: fence.key }] });
    if (!result.succeeded) refuseDeposed(fence, result.reads[0]);
    const { succeeded, revision, held } = result;
    return batch.map((_, at) => (succeeded && held[at] ? { committed: true, revision } : { committed: false }));
  }
}

function sizeOf({ compares, ops }: Due): number {
  let bytes = 0;
  for (const { key } of compares) bytes += key.length;
  for (const op of ops) bytes += 'value' in op ? op.key.length + op.value.length : 64;
  return bytes;
}
