import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Logger } from '../engine/logger.ts';
import type { Assignment } from '../schema/assignment.ts';
import { parseCredentials } from '../schema/credentials.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { CellMetrics } from './cell-metrics.ts';
import type { NodeMemory } from './node-memory.ts';
import type { Runtime } from './runtime/runtime.ts';

/** Starts a node with the accounts that its assignment names. That it cannot be started is news, not an error. */
export async function startNode(
  assignment: Assignment,
  memory: NodeMemory,
  {
    store,
    runtime,
    clock,
    events,
    metrics,
    logger,
    signal,
  }: {
    store: Store;
    runtime: Runtime;
    clock: Clock;
    events: Pick<EventRecorder, 'record'>;
    metrics: CellMetrics;
    logger: Logger;
    signal: AbortSignal;
  },
): Promise<void> {
  const { node, instance } = assignment;
  // A store that does not answer is not the node's fault: this may reject.
  const { kv } = await store.get(assignment.credentials, { signal });
  try {
    if (!kv) throw new Error(`there are no credentials at ${assignment.credentials}`);
    const credentials = parseCredentials(kv.value);
    if (!credentials.ok) throw new Error(`credentials ${assignment.credentials}: ${credentials.problem}`);
    await runtime.start({ assignment, credentials: credentials.value });
    memory.started(clock.monotonic());
    metrics.started();
    logger.info({ node, instance, restarts: memory.restarts }, 'started node');
  } catch (error) {
    const { message } = error as Error;
    memory.failed(message, clock.monotonic());
    logger.error({ err: error, node }, 'node cannot be started');
    events.record({ type: 'Warning', reason: 'NodeStartFailed', object: `instance/${instance}`, message });
  }
}
