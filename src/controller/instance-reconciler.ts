import { randomInt } from 'node:crypto';
import { type ReconcileContext, type Result, TerminalError } from '../engine/controller.ts';
import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Logger } from '../engine/logger.ts';
import { type InstanceId, parseInstanceId } from '../schema/ids.ts';
import { type Compare, keysOf, type Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { DeposedError } from './commit.ts';
import { Commits } from './commits.ts';
import type { ControllerMetrics } from './controller-metrics.ts';
import { decide } from './decide/decide.ts';
import type { Decision } from './decide/decision.ts';
import type { Herd } from './view/herd.ts';
import type { Informers } from './view/informers.ts';
import type { Waits } from './view/waits.ts';

export interface InstanceReconcilerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly informers: Informers;
  readonly herd: Herd;
  readonly waits: Waits;
  readonly events: EventRecorder;
  readonly metrics: ControllerMetrics;
}

const mostTries = 5;
// Patroni and the agents take many small steps to where people want to be: they are told of where it got to.
const progressEveryMs = 1_000;

/**
 * One pass over one instance: view, decision, transaction, and then to wait until the informers have seen what was
 * written, so that the next pass cannot decide the same again. When the view was old it looks again, a few times.
 */
export class InstanceReconciler {
  readonly #options: InstanceReconcilerOptions;
  readonly #commits: Commits;
  /** Decisions of which it is not known whether they were committed: the answer was lost. */
  readonly #unsure = new Map<InstanceId, Decision>();
  /** When something was last written for an instance, monotonic; forgotten when that is long ago. */
  readonly #writtenMs = new Map<InstanceId, number>();

  constructor(options: InstanceReconcilerOptions) {
    this.#options = options;
    this.#commits = new Commits(options.store);
  }

  async reconcile(key: string, fence: Compare, { signal, logger }: ReconcileContext): Promise<Result> {
    const { herd, events } = this.#options;
    const parsed = parseInstanceId(key);
    if (!parsed.ok) {
      // The name of somebody else's key, as long as he likes.
      const object = `instance/${key.slice(0, 60)}`;
      events.record({ type: 'Warning', reason: 'KeyIgnored', object, message: parsed.problem });
      return {};
    }
    const id = parsed.value;
    await this.#becomeSure(id, signal);
    const result = await this.#converge(id, fence, signal, logger);
    herd.ports.forget(id);
    return result;
  }

  async #converge(id: InstanceId, fence: Compare, signal: AbortSignal, logger: Logger): Promise<Result> {
    const { clock, herd, waits, events, metrics } = this.#options;
    for (let tries = 1; ; tries++) {
      const decision = decide(herd.view(id), new Date(clock.now()), randomInt);
      waits.note(id, decision);
      const waitMs = (this.#writtenMs.get(id) ?? -Infinity) + progressEveryMs - clock.monotonic();
      if (waitMs <= 0) this.#writtenMs.delete(id);
      if (decision.ops.length === 0) return again(decision);
      if (decision.isProgress && waitMs > 0) return { requeueAfterMs: waitMs };
      if (await this.#commit(id, decision, fence, signal)) {
        for (const { type, reason, message } of decision.events) {
          events.record({ type, reason, object: `instance/${id}`, message });
          logger.info({ instance: id, reason, message }, 'instance changed');
        }
        return again(decision);
      }
      metrics.conflicts.inc();
      if (tries === mostTries) throw new Error(`commit a pass over ${id}: the view was old ${tries} times in a row`);
      await clock.sleep(10 * 2 ** tries, signal);
    }
  }

  async #commit(id: InstanceId, decision: Decision, fence: Compare, signal: AbortSignal): Promise<boolean> {
    const { clock, herd, informers, metrics } = this.#options;
    herd.assume(id, decision);
    this.#unsure.set(id, decision);
    try {
      const outcome = await this.#commits.commit(fence, decision, signal);
      if (outcome.committed) {
        metrics.commits.inc();
        this.#writtenMs.set(id, clock.monotonic());
        await informers.reached(decision.ops.flatMap(keysOf), outcome.revision, signal);
      }
      herd.settle(id, decision);
      this.#unsure.delete(id);
      return outcome.committed;
    } catch (error) {
      if (error instanceof DeposedError) throw new TerminalError(error.message, { cause: error });
      throw error;
    }
  }

  /** After a lost answer: knows everything the store knew since, so the decision is seen, or its comparisons fail. */
  async #becomeSure(id: InstanceId, signal: AbortSignal): Promise<void> {
    const unsure = this.#unsure.get(id);
    if (!unsure) return;
    const { revision } = await this.#options.store.identity({ signal });
    await this.#options.informers.catchUp(revision, signal);
    this.#options.herd.settle(id, unsure);
    this.#unsure.delete(id);
  }
}

const again = ({ requeueAfterMs }: Decision): Result => (requeueAfterMs === undefined ? {} : { requeueAfterMs });
