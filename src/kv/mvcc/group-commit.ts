import { KvError } from '../kv-error.ts';
import type { Batch, StorageEngine } from '../storage/engine.ts';
import { Draft } from './draft.ts';
import { NeedsOfRequests } from './needs.ts';
import { refusals } from './refusals.ts';

const maxBatchBytes = 8 << 20;
const maxBatchJobs = 4096;

/** One write, or what else must be decided on the newest state and become durable. */
export interface WriteJob<T> {
  /** Names what `decide` will look at. */
  needs(needs: NeedsOfRequests): unknown;
  /** Writes into the draft and answers; what it throws refuses this write alone, so it throws before it writes. */
  decide(draft: Draft): T;
}

interface Waiting {
  readonly job: WriteJob<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Turns writes that arrive together into one commit of the engine with one fsync. Those of one turn of the event loop
 * go together; while they are being made durable, the next ones gather. Each keeps its own revision and its own answer,
 * and is answered only when it is durable.
 */
export class GroupCommit {
  readonly #engine: StorageEngine;
  readonly #onCommitted: (batch: Batch) => void;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #exclusive: (() => Promise<void>)[] = [];
  #closed = false;

  /** `onCommitted` is told of every batch, in order, before the writes in it are answered. */
  constructor(engine: StorageEngine, onCommitted: (batch: Batch) => void) {
    this.#engine = engine;
    this.#onCommitted = onCommitted;
  }

  submit<T>(job: WriteJob<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(refusals.stopped());
      this.#waiting.push({ job, resolve: resolve as (value: unknown) => void, reject });
      this.#wake();
    });
  }

  /** Does something with the engine while nobody writes. */
  alone<T>(action: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(refusals.stopped());
      this.#exclusive.push(() => action().then(resolve, (error) => reject(asRefusal(error))));
      this.#wake();
    });
  }

  /** Refuses what comes from now on; resolves when everything before has been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  #wake(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length || this.#exclusive.length) {
      // What has come in this turn goes together, and answers leave before the disk is waited for again.
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.#waiting.length) await this.#commit(this.#waiting.splice(0, maxBatchJobs));
      await this.#exclusive.shift()?.();
    }
    this.#running = undefined;
  }

  async #commit(group: Waiting[]): Promise<void> {
    const answers: (() => void)[] = [];
    let batch: Batch | undefined;
    const needs = () => {
      const all = new NeedsOfRequests(false);
      for (const { job } of group) job.needs(all);
      return all;
    };
    try {
      await this.#engine.write(needs, (view) => {
        // An engine whose transaction did not go through may ask again.
        answers.length = 0;
        const draft = new Draft(view);
        for (const waiting of group) {
          if (draft.bytes > (this.#engine.maxBatchBytes ?? maxBatchBytes)) break;
          answers.push(decide(waiting, draft));
        }
        batch = draft.batch;
        return batch;
      });
      const later = group.splice(answers.length);
      this.#waiting = later.length ? [...later, ...this.#waiting] : this.#waiting;
      if (batch) this.#onCommitted(batch);
      for (const answer of answers) answer();
    } catch (error) {
      for (const { reject } of group) reject(asRefusal(error));
    }
  }
}

function decide({ job, resolve, reject }: Waiting, draft: Draft): () => void {
  try {
    const answer = job.decide(draft);
    draft.endTxn();
    return () => resolve(answer);
  } catch (error) {
    if (!(error instanceof KvError)) throw error;
    return () => reject(error);
  }
}

/** What clients are told when the engine could not write. */
function asRefusal(error: unknown): unknown {
  if (error instanceof KvError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/ENOSPC|no space left|MDB_MAP_FULL/i.test(text)) return refusals.noSpace();
  return Object.assign(new KvError('Unavailable', `etcdserver: cannot write: ${text}`), { cause: error });
}
