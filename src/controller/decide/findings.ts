import type { ObservedState } from '../../schema/observed-state.ts';
import type { Admission } from './admission.ts';
import type { Health } from './health.ts';
import type { SoundNode } from './nodes.ts';
import type { Unwell } from './repair.ts';
import type { RolloutProgress } from './rollout-progress.ts';
import type { Route } from './route.ts';

/** Something worth saying: a word for programs, a sentence for people. */
export interface Remark {
  readonly reason: string;
  readonly message: string;
}

/** What a pass made of the instance's nodes. */
export interface Membership {
  /** As they are once the decision is committed. */
  readonly nodes: readonly SoundNode[];
  /** What their number or place waits for; undefined when it is as wanted. */
  readonly waiting: Remark | undefined;
  /** What else people should know of them. */
  readonly remarks?: readonly Remark[];
  /** Undefined when this pass could not look at it. */
  readonly progress?: RolloutProgress | undefined;
}

/** Everything a pass found out and decided, as the state is to tell it. */
export interface Findings extends Membership {
  readonly admission: Admission;
  /** What cannot be read or does not fit together: while there is anything, no node is placed or removed. */
  readonly problems: readonly Remark[];
  readonly health: Health;
  readonly unwell: readonly Unwell[];
  /** When replicas were built anew. */
  readonly repairs: readonly string[];
  /** Of the order that a running node of the spec in force has. */
  readonly specHash: string | undefined;
  readonly port: number | undefined;
  readonly route: Route;
  readonly credentials: Pick<ObservedState, 'admin_credentials' | 'superuser_credentials' | 'app_credentials'>;
}
