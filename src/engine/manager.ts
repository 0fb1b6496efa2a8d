import type { Compare } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { aborted } from './aborted.ts';
import type { Election, Lead } from './election.ts';
import type { Informer } from './informer.ts';
import type { Logger } from './logger.ts';
import { RunnableGroup } from './runnable-group.ts';

/** When a part of the process runs: http first and last, informers before what reads them, leader only while leading. */
export type Stage = 'http' | 'informers' | 'always' | 'leader';

/** What a leader's parts need to know about their leadership. */
export interface Leadership {
  readonly fence: Compare;
  readonly electionRevision: bigint;
}

export type Runnable =
  | {
      readonly name: string;
      readonly stage: 'http' | 'informers' | 'always';
      run(signal: AbortSignal): Promise<void>;
      /** The next stage starts when this has resolved. */
      ready?(signal: AbortSignal): Promise<void>;
    }
  | {
      readonly name: string;
      readonly stage: 'leader';
      run(signal: AbortSignal, leadership: Leadership): Promise<void>;
    };

export interface ManagerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Needed for runnables of the stage `leader`. */
  readonly election?: Election;
  /** How long stopping may take in all; default 30 s. */
  readonly graceMs?: number;
}

/**
 * Starts the parts of a process in the order http, informers (until they are synced), always, leader (when elected, and
 * the informers know everything up to the election); stops them in the opposite order. A part that fails stops all.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #groups = {
    http: new RunnableGroup(),
    informers: new RunnableGroup(),
    always: new RunnableGroup(),
    leader: new RunnableGroup<[Leadership]>(),
  };
  readonly #ready: { readonly [stage in Stage]: ((signal: AbortSignal) => Promise<void>)[] } = {
    http: [],
    informers: [],
    always: [],
    leader: [],
  };
  readonly #catchUps: Informer<unknown>['catchUp'][] = [];

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  add(runnable: Runnable): void {
    if (runnable.stage === 'leader') {
      this.#groups.leader.add(runnable);
    } else {
      this.#groups[runnable.stage].add(runnable);
      this.#ready[runnable.stage].push(async (signal) => runnable.ready?.(signal));
    }
  }

  /** Adds an informer; a new leader's parts start when it has seen everything up to the election. */
  addInformer<T>(informer: Informer<T>): void {
    const { name } = informer;
    const ready = (signal: AbortSignal) => informer.whenSynced(signal);
    this.add({ name, stage: 'informers', run: (signal) => informer.run(signal), ready });
    this.#catchUps.push((revision, signal) => informer.catchUp(revision, signal));
  }

  /**
   * Runs until the signal aborts, then stops everything. Rejects with the first failure, or when something still runs
   * after the grace time: then only the end of the process ends it.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const ending = new AbortController();
    const failures: unknown[] = [];
    const fail = (name: string, error: unknown) => {
      logger.error({ err: error, part: name }, 'a part of the process failed');
      failures.push(error);
      ending.abort(error);
    };
    const onAbort = () => ending.abort(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();

    await this.#start(ending.signal, fail);
    const campaign = this.#campaign(ending.signal, fail);
    await aborted(ending.signal);
    signal.removeEventListener('abort', onAbort);
    await this.#stop(campaign, failures);
    if (failures.length > 0) throw failures[0];
  }

  async #start(signal: AbortSignal, fail: (name: string, error: unknown) => void): Promise<void> {
    for (const stage of ['http', 'informers', 'always'] as const) {
      if (signal.aborted) return;
      this.#groups[stage].start(fail);
      await Promise.all(this.#ready[stage].map((ready) => ready(signal))).catch((error: unknown) => {
        if (!signal.aborted) fail(stage, error);
      });
    }
  }

  async #campaign(signal: AbortSignal, fail: (name: string, error: unknown) => void): Promise<void> {
    const { leader } = this.#groups;
    if (signal.aborted || leader.size === 0) return;
    const lead: Lead = async (leading, fence, electionRevision) => {
      try {
        await Promise.all(this.#catchUps.map((catchUp) => catchUp(electionRevision, leading)));
      } catch (error) {
        if (leading.aborted) return;
        throw error;
      }
      leader.start(fail, { fence, electionRevision });
      await aborted(leading);
      await leader.stop();
    };
    try {
      if (!this.#options.election) throw new Error('runnables of the stage leader need an election');
      await this.#options.election.run(signal, lead);
    } catch (error) {
      fail('election', error);
    }
  }

  async #stop(campaign: Promise<void>, failures: readonly unknown[]): Promise<void> {
    const { clock, graceMs = 30_000 } = this.#options;
    const groups = [this.#groups.leader, this.#groups.always, this.#groups.informers, this.#groups.http];
    const inOrder = async () => {
      await campaign;
      for (const group of groups) await group.stop();
    };
    await new Promise<void>((resolve, reject) => {
      const cancel = clock.after(graceMs, () => {
        const running = groups.flatMap((group) => group.running).join(', ');
        for (const group of groups) void group.stop();
        reject(new Error(`still running ${graceMs} ms after being stopped: ${running}`, { cause: failures[0] }));
      });
      void inOrder().then(() => {
        cancel();
        resolve();
      });
    });
  }
}
