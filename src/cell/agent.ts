import { Controller } from '../engine/controller.ts';
import type { EventRecorder } from '../engine/event-recorder.ts';
import { Informer } from '../engine/informer.ts';
import type { Logger } from '../engine/logger.ts';
import type { EngineMetrics } from '../engine/metrics.ts';
import type { StoreGuard } from '../engine/store-guard.ts';
import { type Assignment, cellAssignmentsPrefix, parseAssignment, parseAssignmentKey } from '../schema/assignment.ts';
import type { CellId, NodeId } from '../schema/ids.ts';
import { bad, type Parsed } from '../schema/parsed.ts';
import { type KeyValue, type Lease, prefixRange, type Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { CellMetrics } from './cell-metrics.ts';
import { NodeConverger } from './converge-node.ts';
import type { GroupCommit } from './group-commit.ts';
import { NodeReports } from './node-reports.ts';
import type { Runtime } from './runtime/runtime.ts';

/** What an agent needs. */
export interface CellAgentOptions {
  readonly cell: CellId;
  readonly hostname: string;
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly runtime: Runtime;
  readonly guard: StoreGuard;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly engineMetrics: EngineMetrics;
  readonly metrics: CellMetrics;
}

// Work on a node is mostly waiting for the store and for processes, so nodes need not wait for each other.
const nodesAtATime = 64;
const retryMs = 1000;

/** Makes a cell's runtime match its assignments, one thing at a time for each node, and reports what it sees. */
export class CellAgent {
  readonly #options: CellAgentOptions;
  readonly #assignments: Informer<Parsed<Assignment>>;
  readonly #reports: NodeReports;
  readonly #converger: NodeConverger;
  readonly #controller: Controller;

  constructor(options: CellAgentOptions) {
    this.#options = options;
    const { cell, store, clock, logger, runtime } = options;
    const metrics = options.engineMetrics.informers;
    const enqueue = (node: NodeId) => this.#controller.enqueue(node);
    const range = prefixRange(cellAssignmentsPrefix(cell));
    const parse = readAssignment;
    this.#assignments = new Informer({ name: 'assignments', store, range, parse, clock, logger, metrics });
    this.#reports = new NodeReports({ ...options, metrics, onChange: enqueue });
    this.#converger = new NodeConverger({ ...options, assignments: this.#assignments, reports: this.#reports });
    this.#controller = new Controller({
      name: 'cell',
      reconcile: (key, context) => this.#converger.converge(key as NodeId, context.signal, context.logger),
      concurrency: nodesAtATime,
      baseDelayMs: 50,
      maxDelayMs: 10_000,
      clock,
      logger,
      metrics: options.engineMetrics.controllers,
    });
    this.#controller.watch(this.#assignments, ({ key }) => {
      const parsed = parseAssignmentKey(key);
      return parsed ? [parsed.node] : [];
    });
    runtime.onChange(enqueue);
  }

  /** From now on bindings hang on this lease. */
  hold(lease: Lease): void {
    this.#reports.lease = lease;
    this.#enqueueAll();
  }

  /** Follows what the store says of this cell, until aborted. */
  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#assignments.run(signal), this.#reports.run(signal)]);
  }

  /** Converges all nodes until aborted; `watch` must run as well, and longer. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await Promise.all([this.#assignments.whenSynced(signal), this.#reports.whenSynced(signal)]);
      await this.#knowTheStore(signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.#enqueueAll();
    await this.#controller.run(signal);
  }

  /** Stops all nodes, when nothing converges them any more. The store has `farewellMs` for each to take note. */
  async stopNodes(farewellMs: number): Promise<void> {
    const { runtime, logger } = this.#options;
    const resting = [...runtime.nodes()].map(async (node) => {
      try {
        await this.#converger.rest(node, farewellMs, logger);
      } catch (error) {
        logger.warn({ err: error, node }, 'node not stopped in order');
      }
    });
    await Promise.all(resting);
  }

  /** For `/readyz`. */
  unready(): string | undefined {
    return this.#assignments.unready() ?? this.#reports.unready();
  }

  /** For `/healthz`. */
  stuck(): string | undefined {
    return this.#controller.stuck();
  }

  /** Nothing is done for a store before it was found to be the right one. */
  async #knowTheStore(signal: AbortSignal): Promise<void> {
    const { guard, clock, logger } = this.#options;
    for (;;) {
      try {
        await guard.check(signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        logger.warn({ err: error }, 'store not identified');
        await clock.sleep(retryMs, signal);
      }
    }
  }

  /** Looks at every node again, for whatever reason. */
  lookAtAll(): void {
    this.#enqueueAll();
  }

  #enqueueAll(): void {
    for (const node of this.#options.runtime.nodes()) this.#controller.enqueue(node);
    for (const node of this.#reports.nodes()) this.#controller.enqueue(node);
  }
}

function readAssignment({ key, value }: KeyValue): Parsed<Assignment> {
  const assignment = parseAssignment(value);
  // A key that says one thing and a value that says another are no order.
  if (assignment.ok && assignment.value.node !== parseAssignmentKey(key)?.node) return bad('it is for another node');
  return assignment;
}
