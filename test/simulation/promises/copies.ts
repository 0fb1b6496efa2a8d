import { registeredKey } from '../../../src/schema/cell.ts';
import { type InstanceId, instanceOfNode, type NodeId } from '../../../src/schema/ids.ts';
import { type ObservedNode, observedKey } from '../../../src/schema/observed-node.ts';
import { leaderKey } from '../../../src/schema/patroni.ts';
import type { Simulation } from '../../controller/support/simulation.ts';
import { claim } from '../claim.ts';
import { ids } from '../steps.ts';
import { type Assigned, assigned, stateOf } from './key-space.ts';
import type { Promised } from './promise.ts';

/**
 * P5: a node with data goes only while as many others as are wanted serve, and never the leader; a lost one only while
 * another leads; a good copy stays whatever goes. One serving node restarts at a time.
 */
export class Copies implements Promised {
  readonly #simulation: Simulation;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  transaction(): () => void {
    const before = ids.map((id) => [id, assigned(this.#simulation.world, id), this.#newest(id)] as const);
    return () => {
      for (const [id, orders, newest] of before) this.#judge(id, orders, newest);
    };
  }

  #judge(id: string, before: readonly Assigned[], newest: readonly NodeId[]): void {
    const { world } = this.#simulation;
    const after = assigned(world, id);
    const state = stateOf(world, id);
    if (!state || state.deleting) return;
    const leader = world.text(leaderKey(id as InstanceId)) as NodeId | undefined;
    const leads = before.find(({ node }) => node === leader);
    const report = leads && world.json<ObservedNode>(observedKey(leads.cell, leads.node));
    const stays = (each: Assigned) => after.some(({ node, desired }) => node === each.node && desired !== 'removed');
    const staying = before.filter(stays);
    const serving = staying.filter(({ node }) => node === leader || report?.streaming?.includes(node));
    const unwell = new Set(state.repairs?.length ? before.map(({ node }) => node) : []);
    for (const gone of before.filter((each) => each.desired !== 'removed' && !stays(each))) {
      if (world.text(observedKey(gone.cell, gone.node)) === undefined) continue;
      claim(gone.node !== leader, `${gone.node} is removed and leads`);
      const isLost = !world.text(registeredKey(gone.cell)) || after.every(({ node }) => node !== gone.node);
      const followed = report?.streaming?.includes(gone.node) ?? false;
      if (isLost || (unwell.has(gone.node) && !followed)) {
        claim(
          serving.some(({ node }) => node === leader),
          `another leads when ${gone.node} goes`,
        );
      } else {
        const wanted = state.accepted?.node_count ?? 1;
        claim(serving.length >= wanted, `${wanted} nodes serve without ${gone.node}`);
      }
    }
    const restarted = before.filter((old) => {
      // What the leader last told may be older than the death of either.
      if (!this.#simulation.running.has(old.node)) return false;
      const now = after.find(({ node }) => node === old.node);
      return (
        old.desired === 'running' &&
        now?.desired === 'running' &&
        now.hash !== old.hash &&
        serving.some(({ node }) => node === old.node)
      );
    });
    claim(restarted.length <= 1, `one serving node of ${id} restarts at a time`);
    const held = newest.filter((node) => before.some((each) => each.node === node));
    const isTouched = after.length !== before.length || after.some((each, at) => each.desired !== before[at]?.desired);
    if (held.length > 0 && isTouched) {
      claim(
        after.some(({ node, desired }) => desired !== 'removed' && held.includes(node)),
        `a good copy of ${id} stays`,
      );
    }
  }

  /** Nodes with the newest data, wherever they are. */
  #newest(id: string): NodeId[] {
    const copies = [...this.#simulation.data].filter(([node]) => instanceOfNode(node) === id);
    const most = Math.max(0, ...copies.map(([, amount]) => amount));
    return copies.filter(([, amount]) => amount === most && most > 0).map(([node]) => node);
  }
}
