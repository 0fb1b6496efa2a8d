import type { Clock } from '../../time/clock.ts';
import type { Gate } from '../auth/gate.ts';
import type { Backend } from '../backend.ts';
import type { Identity } from './identity.ts';
import type { Space } from './space.ts';

/** What every method works with. */
export interface ServerParts {
  readonly backend: Backend;
  readonly identity: Identity;
  readonly gate: Gate;
  readonly space: Space;
  readonly clock: Clock;
}
