import type { InstanceId } from '../../../src/schema/ids.ts';
import { stateKey } from '../../../src/schema/observed-state.ts';
import { allocationPrefix, portsPrefix } from '../../../src/schema/routing.ts';
import type { World } from '../../controller/support/world.ts';
import { claim } from '../claim.ts';
import { ids } from '../steps.ts';
import type { Promised } from './promise.ts';

/** P1: one port for an instance for as long as it exists, and no port twice. */
export class Ports implements Promised {
  readonly #world: World;
  readonly #ports = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  transaction(): () => void {
    return () => this.#forget();
  }

  look(): void {
    const world = this.#world;
    const ports = world.keys(allocationPrefix).map((key) => world.text(key));
    claim(new Set(ports).size === ports.length, 'no port is allocated twice');
    this.#forget();
    for (const id of ids) {
      const port = world.text(`${allocationPrefix}${id}`);
      const before = this.#ports.get(id);
      if (before !== undefined) claim(port === before, `the port of ${id} stays ${before}`);
      if (port === undefined) continue;
      if (world.text(stateKey(id as InstanceId))) this.#ports.set(id, port);
      claim(world.text(`${portsPrefix}${port}`) === id, `port ${port} is that of ${id}`);
    }
  }

  // An instance that is gone for good has no port any more.
  #forget(): void {
    for (const id of ids) if (!this.#world.text(stateKey(id as InstanceId))) this.#ports.delete(id);
  }
}
