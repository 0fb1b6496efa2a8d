import type { Result } from '../engine/controller.ts';
import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Entry, Informer } from '../engine/informer.ts';
import type { Logger } from '../engine/logger.ts';
import type { StoreGuard } from '../engine/store-guard.ts';
import { type Assignment, assignmentKey } from '../schema/assignment.ts';
import { parseCredentials } from '../schema/credentials.ts';
import type { CellId, NodeId } from '../schema/ids.ts';
import { parseObservedNode } from '../schema/observed-node.ts';
import type { Parsed } from '../schema/parsed.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { CellMetrics } from './cell-metrics.ts';
import { decideNode, type NodeAction } from './decide-node.ts';
import { NodeMemory } from './node-memory.ts';
import type { NodeReports } from './node-reports.ts';
import { releaseLeaderKey } from './proved-release.ts';
import { isHere, observedNode } from './report.ts';
import type { NodeSight, Runtime } from './runtime/runtime.ts';
import { startNode } from './start-node.ts';
import { UnfinishedBootstrap } from './unfinished-bootstrap.ts';

/** What is needed to make a node what it should be. */
export interface NodeConvergerOptions {
  readonly cell: CellId;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly guard: StoreGuard;
  readonly assignments: Informer<Parsed<Assignment>>;
  readonly reports: NodeReports;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly metrics: CellMetrics;
  readonly clock: Clock;
}

const bootstrapPollMs = 500;
const sparedMs = 10_000;
const fetchPollMs = 2_000;
const hopelessPollMs = 30_000;

/** What an agent does by itself to a node that nobody ordered. */
const isUndoing = (action: NodeAction): boolean => action.do === 'stop' || action.do === 'discard';

const isToRestart = (given: Given, sight: NodeSight, { restartedOn }: NodeMemory): boolean =>
  given?.value.ok === true &&
  given.value.value.restart_pending === true &&
  sight.state === 'running' &&
  sight.patroni?.pendingRestart === true &&
  restartedOn !== given.modRevision;

type Ended = Extract<NodeSight, { state: 'ended' }>;
type Given = Entry<Parsed<Assignment>> | undefined;

/**
 * Makes one node what its assignment says: looks, decides on one action, does it, looks again, until there is nothing to
 * do, and then says in the store how the node is.
 */
export class NodeConverger {
  readonly #options: NodeConvergerOptions;
  readonly #memories = new Map<NodeId, NodeMemory>();
  readonly #bootstrap: UnfinishedBootstrap;

  constructor(options: NodeConvergerOptions) {
    this.#options = options;
    this.#bootstrap = new UnfinishedBootstrap(options);
  }

  async converge(node: NodeId, signal: AbortSignal, logger: Logger): Promise<Result> {
    const { cell, assignments, reports, runtime, guard, clock } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      // Whatever the store says now, it is not to be obeyed; nor is it told anything.
      if (guard.problem) return {};
      const given = assignments.get(assignmentKey(cell, node));
      const sight = runtime.see(node);
      const memory = this.#memory(node);
      const observed = reports.get(node) !== undefined;
      const { notBeforeMs } = memory;
      const heldUntilMs = memory.heldUntilMs(given?.modRevision);
      const nowMs = clock.monotonic();
      const action = decideNode({ assignment: given?.value, observed, sight, notBeforeMs, heldUntilMs }, nowMs);
      if (action.do === 'nothing' || action.do === 'wait') {
        if (sight.state === 'absent' && !observed) this.#memories.delete(node);
        else await this.#publish(node, given, sight, signal);
        if (action.do === 'wait') return { requeueAfterMs: action.ms };
        if (isToRestart(given, sight, memory)) await this.#restartPending(node, given, memory, signal, logger);
        if (sight.state !== 'running' || sight.complete) return {};
        if (!(await this.#bootstrap.isOver(sight.instance, node, signal))) return { requeueAfterMs: bootstrapPollMs };
        await runtime.complete(node);
        continue;
      }
      // After a restoration the controller adopts what is reported.
      if (!given && isUndoing(action) && (await guard.sparesUnknown(signal))) {
        await this.#publish(node, given, sight, signal);
        return { requeueAfterMs: sparedMs };
      }
      await this.#act(action, node, given, sight, signal, logger);
    }
  }

  async #act(
    action: NodeAction,
    node: NodeId,
    given: Given,
    sight: NodeSight,
    signal: AbortSignal,
    logger: Logger,
  ): Promise<void> {
    const { runtime, reports } = this.#options;
    const memory = this.#memory(node);
    switch (action.do) {
      case 'claim':
        return this.#claim(node, given, signal);
      case 'start':
        if (!(await this.#isReady(action, given, memory))) return;
        if (given?.value.ok) await startNode(given.value.value, memory, { ...this.#options, logger, signal });
        return;
      case 'stop':
        if (!(await this.#stillStands(node, given, signal))) return;
        if (action.why === 'changed' && !(await this.#isReady(action, given, memory))) return;
        memory.stopping = true;
        try {
          await this.#publish(node, given, sight, signal);
          logger.info({ node, why: action.why }, 'stopping node');
          await runtime.stop(node);
        } finally {
          memory.stopping = false;
        }
        return;
      case 'release':
        if (sight.state === 'ended') await this.#release(node, sight, signal, logger);
        return;
      case 'erase':
        if (!(await this.#stillStands(node, given, signal))) return;
        await runtime.erase(node);
        logger.info({ node }, 'erased node');
        return;
      case 'discard':
        if (!(await this.#stillStands(node, given, signal))) return;
        await runtime.discard(node);
        logger.warn({ node }, 'put the data of a node aside that nobody ordered');
        return;
      case 'withdraw':
        if (await this.#stillStands(node, given, signal)) await reports.withdraw(node, memory.image, signal);
    }
  }

  /** Whether what the order needs is here: a node that runs is not stopped before, and no start fails for it. */
  async #isReady({ do: what }: NodeAction, given: Given, memory: NodeMemory): Promise<boolean> {
    if (!given?.value.ok) return true;
    const { runtime, clock } = this.#options;
    const readiness = await runtime.readiness(given.value.value);
    // What cannot be started fails to, and says so; what runs is left as it is.
    if (readiness.state === 'ready' || (readiness.state === 'impossible' && what === 'start')) return true;
    const why = readiness.state === 'impossible' ? { why: readiness.why } : {};
    const pauseMs = readiness.state === 'fetching' ? fetchPollMs : hopelessPollMs;
    memory.hold({ order: given.modRevision, untilMs: clock.monotonic() + pauseMs, ...why });
    return false;
  }

  /** Once for an order: whether it helps is for the controller to judge. */
  async #restartPending(
    node: NodeId,
    given: Given,
    memory: NodeMemory,
    signal: AbortSignal,
    logger: Logger,
  ): Promise<void> {
    const { store, runtime } = this.#options;
    if (!given?.value.ok || !(await this.#stillStands(node, given, signal))) return;
    const { kv } = await store.get(given.value.value.credentials, { signal });
    const credentials = parseCredentials(kv?.value ?? '');
    if (!credentials.ok) throw new Error(`credentials ${given.value.value.credentials}: ${credentials.problem}`);
    await runtime.restartPending(node, credentials.value.admin_credentials);
    memory.restartedOn = given.modRevision;
    logger.info({ node }, 'restarting PostgreSQL in place');
  }

  #memory(node: NodeId): NodeMemory {
    let memory = this.#memories.get(node);
    if (!memory) {
      const report = parseObservedNode(this.#options.reports.get(node) ?? '');
      memory = new NodeMemory(report.ok ? report.value : undefined);
      this.#memories.set(node, memory);
    }
    return memory;
  }

  async #publish(node: NodeId, given: Given, sight: NodeSight, signal: AbortSignal): Promise<void> {
    const memory = this.#memory(node);
    const assignment = given?.value.ok ? given.value.value : undefined;
    if (given && !given.value.ok) memory.lastError = `the assignment cannot be read: ${given.value.problem}`;
    if (assignment) memory.image = assignment.image;
    const instance = assignment?.instance ?? (isHere(sight) ? sight.instance : memory.instance);
    // Nothing is known of it but its name: an order that cannot be read, for a node that was never here.
    if (!instance) return;
    memory.instance = instance;
    const desired = assignment?.desired;
    // Nothing of it was ever here, and nothing is to be.
    if (desired === 'stopped' && sight.state === 'absent' && this.#options.reports.get(node) === undefined) return;
    if (sight.state === 'running') memory.heard(sight.patroni?.state);
    const heldBack = memory.heldBack(given?.modRevision);
    const report = observedNode({ instance, node, ...(desired && { desired }) }, sight, memory, heldBack);
    await this.#options.reports.publish(report, memory.image, signal);
  }

  async #claim(node: NodeId, given: Given, signal: AbortSignal): Promise<void> {
    const { cell, reports, assignments, runtime, store } = this.#options;
    if (!given?.value.ok) return;
    const key = assignmentKey(cell, node);
    const report = observedNode(given.value.value, runtime.see(node), this.#memory(node));
    const stands = { key, target: 'mod', op: '=', value: given.modRevision } as const;
    if (await reports.claim(report, [stands], signal)) return;
    const { revision } = await store.get(key, { signal });
    await assignments.catchUp(revision, signal);
  }

  async #release(node: NodeId, sight: Ended, signal: AbortSignal, logger: Logger): Promise<void> {
    const { store, runtime, clock, events, metrics } = this.#options;
    const { instance, unexpected, complete } = sight;
    const outcome = await releaseLeaderKey(instance, node, { store, prove: () => runtime.prove(node), signal });
    if (unexpected !== undefined) {
      this.#memory(node).failed(unexpected, clock.monotonic());
      metrics.ended(outcome);
      logger.warn({ node, instance, unexpected, leaderKey: outcome }, 'node ended');
      const released = outcome === 'released' ? '; its leader key was released at once' : '';
      const message = `node ${node}: ${unexpected}${released}`;
      events.record({ type: 'Warning', reason: 'NodeEnded', object: `instance/${instance}`, message });
    }
    if (!complete && (await this.#bootstrap.clear(instance, node, signal))) {
      metrics.rebuilt();
      logger.warn({ node, instance }, 'put the data of an unfinished bootstrap aside');
    }
    await runtime.settle(node);
  }

  /** Stops a node because the agent stops, and says so; its assignment stays, and the next agent starts it again. */
  async rest(node: NodeId, farewellMs: number, logger: Logger): Promise<void> {
    const { cell, runtime, assignments, guard, clock } = this.#options;
    if (runtime.see(node).state === 'running') await runtime.stop(node);
    const sight = runtime.see(node);
    if (sight.state !== 'ended' || guard.problem) return;
    const farewell = new AbortController();
    const cancel = clock.after(farewellMs, () => farewell.abort(new Error('the store does not take note')));
    try {
      await this.#release(node, sight, farewell.signal, logger);
      const given = assignments.get(assignmentKey(cell, node));
      await this.#publish(node, given, runtime.see(node), farewell.signal);
    } finally {
      cancel();
    }
  }

  /** Asks the store itself whether the order that stops or removes the node stands; if not, the cache catches up. */
  async #stillStands(node: NodeId, given: Given, signal: AbortSignal): Promise<boolean> {
    const { cell, store, guard, assignments } = this.#options;
    if (!(await guard.check(signal))) return false;
    const { kv, revision } = await store.get(assignmentKey(cell, node), { signal });
    if (kv?.modRevision === given?.modRevision) return true;
    await assignments.catchUp(revision, signal);
    return false;
  }
}
