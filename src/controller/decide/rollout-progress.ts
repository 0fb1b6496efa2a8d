import type { ObservedState } from '../../schema/observed-state.ts';
import type { Remark } from './findings.ts';

/** A rollout of restarts as the state remembers it. */
export type Rollout = NonNullable<ObservedState['rollout']>;

/** What became of the rollout of restarts in a pass. */
export interface RolloutProgress {
  /** As the state is to remember it; undefined when none is under way. */
  readonly rollout: Rollout | undefined;
  /** What the next restart waits for, besides the nodes before it. */
  readonly waiting: Remark | undefined;
  /** Which node did not come back, and what to do. */
  readonly stopped: Remark | undefined;
}

/** How long a node may take to come back with what it was ordered. */
export const patienceMs = 5 * 60_000;
