import type { Logger } from '../../../engine/logger.ts';
import type { Clock } from '../../../time/clock.ts';
import type { GroupCommit } from '../../group-commit.ts';
import { takeAway } from './member-writes.ts';
import type { Scopes } from './scopes.ts';
import { type SimulatedNode, timings } from './simulated-node.ts';

/** What expiries need. */
export interface ExpiriesOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly commit: GroupCommit;
  readonly scopes: Scopes;
  /** Whether the node runs (again), and so renews. */
  readonly isAlive: (node: SimulatedNode) => boolean;
}

/** Plays the leases of nodes that ended: their keys go when their ttl has passed. */
export class Expiries {
  readonly #options: ExpiriesOptions;
  readonly #timers = new Set<() => void>();

  constructor(options: ExpiriesOptions) {
    this.#options = options;
  }

  /** The node does not renew its keys any more. */
  begin(node: SimulatedNode): void {
    const { clock, scopes, isAlive, commit, logger } = this.#options;
    const { leader } = scopes.get(node.instance);
    const ledAt = leader?.name === node.node ? leader.modRevision : undefined;
    const cancel = clock.after(timings(node.configuration).ttl * 1000, () => {
      this.#timers.delete(cancel);
      if (isAlive(node)) return;
      for (const write of takeAway(node, scopes.get(node.instance), ledAt)) {
        commit.commit(write).catch((error: unknown) => {
          logger.debug({ err: error, node: node.node }, 'keys of a dead simulated node stay');
        });
      }
    });
    this.#timers.add(cancel);
  }

  cancel(): void {
    for (const cancel of this.#timers) cancel();
  }
}
