import { instanceOfNode, type NodeId } from '../../../src/schema/ids.ts';
import type { Simulation } from '../../controller/support/simulation.ts';
import { claim } from '../claim.ts';
import { assigned } from './key-space.ts';
import type { Promised } from './promise.ts';

/** P2: a node is on one cell for ever, an instance has one node on a cell, and nothing runs that was never assigned. */
export class Places implements Promised {
  readonly #simulation: Simulation;
  readonly #cellOf = new Map<NodeId, string>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  look(): void {
    const places = new Set<string>();
    for (const { cell, node, desired } of assigned(this.#simulation.world)) {
      claim((this.#cellOf.get(node) ?? cell) === cell, `${node} stays on its cell`);
      this.#cellOf.set(node, cell);
      if (desired === 'removed') continue;
      const place = `${cell} ${instanceOfNode(node)}`;
      claim(!places.has(place), `one node of an instance on ${cell}`);
      places.add(place);
    }
    for (const node of this.#simulation.running.keys()) {
      claim(this.#cellOf.has(node), `${node} runs and was assigned`);
    }
  }
}
