import type { Clock } from '../../../time/clock.ts';
import type { Engine } from './engine.ts';
import { type NodeLabels, parseLabels } from './labels.ts';

// Docker says destroy where podman says remove. What is done to files and processes in containers is no news.
const actions = ['start', 'die', 'died', 'destroy', 'remove', 'stop', 'kill', 'oom', 'pause', 'unpause'];
const reconnectMs = 1_000;

/** What follows an engine's events. */
export interface ContainerNewsListener {
  /** From now on nothing is missed; before, something may have been. */
  onOpen(): void;
  /** Something became of this node's container. */
  onNode(labels: NodeLabels): void;
  /** The engine tells nothing any more, and why. */
  onProblem(why: string): void;
}

/** Follows what the engine tells of nodes' containers until the signal aborts. */
export async function followContainers(
  engine: Engine,
  clock: Clock,
  listener: ContainerNewsListener,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await engine.follow(
        () => listener.onOpen(),
        ({ action, labels }) => {
          const known = actions.includes(action) ? parseLabels(labels) : undefined;
          if (known) listener.onNode(known);
        },
        signal,
      );
      if (!signal.aborted) listener.onProblem(`the container engine at ${engine.name} has hung up`);
    } catch (error) {
      listener.onProblem((error as Error).message);
    }
    await clock.sleep(reconnectMs, signal).catch(() => {});
  }
}
