import { credentialsKey } from '../../../src/schema/credentials.ts';
import { desiredStateKey } from '../../../src/schema/desired-state.ts';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { observedKey } from '../../../src/schema/observed-node.ts';
import { allocationKey } from '../../../src/schema/routing.ts';
import type { World } from '../../controller/support/world.ts';
import { claim } from '../claim.ts';
import { ids } from '../steps.ts';
import { assigned, stateOf } from './key-space.ts';
import type { Promised } from './promise.ts';

/** P8: while an instance may be restored, its nodes are stopped at most, and port and credentials stay. */
export class Grace implements Promised {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  transaction(): () => void {
    const world = this.#world;
    const deleted = (ids as readonly InstanceId[]).filter((id) => {
      const state = stateOf(world, id);
      return !world.text(desiredStateKey(id)) && world.text(credentialsKey(id)) && state && !state.deleting;
    });
    const before = deleted.map((id) => [id, assigned(world, id)] as const);
    return () => {
      for (const [id, orders] of before) {
        claim(world.text(credentialsKey(id)) !== undefined, `the credentials of ${id} are kept`);
        claim(
          world.text(allocationKey(id)) !== undefined || !stateOf(world, id)?.allocated_port,
          `the port of ${id} is kept`,
        );
        const after = assigned(world, id);
        for (const { cell, node, desired } of orders) {
          if (desired === 'removed' || world.text(observedKey(cell, node)) === undefined) continue;
          const now = after.find((each) => each.node === node);
          claim(now !== undefined && now.desired !== 'removed', `the data of ${node} are kept`);
        }
      }
    };
  }
}
