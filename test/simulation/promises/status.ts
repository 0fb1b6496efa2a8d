import { desiredStateKey } from '../../../src/schema/desired-state.ts';
import type { InstanceId } from '../../../src/schema/ids.ts';
import type { ObservedState } from '../../../src/schema/observed-state.ts';
import { stateKey } from '../../../src/schema/observed-state.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import { type RouterRegistration, routersPrefix } from '../../../src/schema/routing.ts';
import type { World } from '../../controller/support/world.ts';
import { claim } from '../claim.ts';
import { ids } from '../steps.ts';
import { stateOf } from './key-space.ts';
import type { Promised } from './promise.ts';

const parts = ['Accepted', 'Placed', 'Running', 'LeaderElected', 'Routed'];

/**
 * P9: Ready is said of the present document, of a leader that is a node of the instance, and not before a router has
 * confirmed a route to that leader; and of nothing that lacks a part.
 */
export class Status implements Promised {
  readonly #world: World;
  /** Instance and node → the revision at which the node was first seen to lead. */
  readonly #led = new Map<string, bigint>();

  constructor(world: World) {
    this.#world = world;
  }

  look(): void {
    this.#noteLeaders();
    for (const id of ids) {
      const state = stateOf(this.#world, id);
      if (!state || !isReady(state)) continue;
      const lacking = state.conditions.filter(({ type, status }) => parts.includes(type) && status !== 'True');
      claim(lacking.length === 0, `${id} is Ready and lacks ${lacking.map(({ type }) => type)}`);
    }
  }

  transaction(): () => void {
    this.#noteLeaders();
    const before = new Map(ids.map((id) => [id, this.#world.text(stateKey(id as InstanceId))]));
    return () => {
      for (const id of ids) {
        const state = stateOf(this.#world, id);
        const isWritten = this.#world.text(stateKey(id as InstanceId)) !== before.get(id);
        if (state && isWritten && isReady(state)) this.#judge(id, state);
      }
    };
  }

  #judge(id: string, state: ObservedState): void {
    const world = this.#world;
    const document = world.keyspace.get(desiredStateKey(id as InstanceId));
    const generation = document ? String(document.modRevision) : state.observed_generation;
    claim(state.observed_generation === generation, `${id} is Ready as of ${generation}`);
    const wanted = state.accepted?.node_count ?? 0;
    claim(state.nodes.length >= wanted, `${id} is Ready with ${wanted} nodes`);
    const leader = state.leader ?? 'nobody';
    claim(
      state.nodes.some(({ node_id }) => node_id === leader),
      `${id} is Ready and led by one of its nodes, not by ${leader}`,
    );
    const since = this.#led.get(`${id} ${leader}`);
    const applied = world
      .keys(routersPrefix)
      .map((key) => BigInt(world.json<RouterRegistration>(key)?.applied_revision ?? 0));
    claim(
      since !== undefined && applied.some((revision) => revision >= since),
      `${id} is Ready when a router has confirmed the route to ${leader}`,
    );
  }

  #noteLeaders(): void {
    for (const id of ids) {
      const leader = this.#world.keyspace.get(leaderKey(id as InstanceId));
      const key = `${id} ${leader?.value}`;
      if (leader && !this.#led.has(key)) this.#led.set(key, leader.modRevision);
    }
  }
}

const isReady = ({ conditions }: ObservedState): boolean =>
  conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
