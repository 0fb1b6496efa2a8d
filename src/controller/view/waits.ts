import type { InstanceId } from '../../schema/ids.ts';

/** What an instance's last decision waits for that is not among its own keys. */
export interface Wait {
  readonly waitsForRoom: boolean;
  readonly waitsForRoute: bigint | undefined;
}

/** The instances that something in common may help: room on a cell, a free port, a router that has come so far. */
export class Waits {
  readonly #room = new Set<InstanceId>();
  readonly #route = new Map<InstanceId, bigint>();

  note(id: InstanceId, { waitsForRoom, waitsForRoute }: Wait): void {
    if (waitsForRoom) this.#room.add(id);
    else this.#room.delete(id);
    if (waitsForRoute === undefined) this.#route.delete(id);
    else this.#route.set(id, waitsForRoute);
  }

  forRoom(): Iterable<InstanceId> {
    return this.#room;
  }

  /** Those whom a router that has applied `revision` would help. */
  *forRoute(revision: bigint): Iterable<InstanceId> {
    for (const [id, needs] of this.#route) if (needs <= revision) yield id;
  }
}
