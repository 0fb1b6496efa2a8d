import { registeredKey } from '../../../src/schema/cell.ts';
import { type CellHealth, cellHealthPrefix } from '../../../src/schema/cell-health.ts';
import { type CellId, instanceOfNode } from '../../../src/schema/ids.ts';
import { memberKey } from '../../../src/schema/patroni.ts';
import type { Op, TxnRequest } from '../../../src/store/store.ts';
import type { Clock } from '../../../src/time/clock.ts';
import type { Simulation } from '../../controller/support/simulation.ts';
import { claim } from '../claim.ts';
import { zones } from '../steps.ts';
import { assigned } from './key-space.ts';
import type { Promised } from './promise.ts';

// What a controller takes to believe, whatever clocks say and whoever saw it before.
const leastMs = 59_000;

/**
 * P7: a cell is Lost only when it is gone for long and Patroni hears of none of its nodes, and no cell is while more
 * than a third of them are gone. Nothing is taken away from a cell that is only silent.
 */
export class Blindness implements Promised {
  readonly #simulation: Simulation;
  readonly #clock: Clock;
  readonly #goneMs = new Map<CellId, number>();

  constructor(simulation: Simulation, clock: Clock) {
    this.#simulation = simulation;
    this.#clock = clock;
  }

  look(): void {
    for (const cell of Object.keys(zones) as CellId[]) {
      if (this.#simulation.world.text(registeredKey(cell))) this.#goneMs.delete(cell);
      else if (!this.#goneMs.has(cell)) this.#goneMs.set(cell, this.#clock.monotonic());
    }
  }

  transaction(request: TxnRequest): () => void {
    const { world, running } = this.#simulation;
    const before = assigned(world);
    return () => {
      for (const cell of request.then.flatMap(lostIn)) this.#judgeLost(cell);
      const after = new Set(assigned(world).map(({ node }) => node));
      for (const { cell, node } of before) {
        const isSilent = !world.text(registeredKey(cell)) && running.has(node);
        claim(!isSilent || after.has(node), `${node} stays assigned to ${cell}, which is silent`);
      }
    };
  }

  #judgeLost(cell: CellId): void {
    const { world } = this.#simulation;
    const goneMs = this.#forLong(cell);
    // It may have come back this very moment.
    if (goneMs === undefined) return;
    claim(goneMs >= leastMs, `${cell} is lost after ${goneMs} ms`);
    const nodes = assigned(world).filter((each) => each.cell === cell);
    const heard = nodes.filter(({ node }) => world.text(memberKey(instanceOfNode(node) as never, node)));
    claim(heard.length === 0, `${cell} is lost and Patroni hears of ${heard.length} of its nodes`);
    const holding = new Set(assigned(world).map((each) => each.cell));
    const all = (Object.keys(zones) as CellId[]).filter(
      (each) => this.#forLong(each) === undefined || holding.has(each),
    );
    const gone = all.filter((each) => (this.#forLong(each) ?? 0) >= leastMs && !this.#isForgotten(each));
    claim(gone.length < 2 || gone.length * 3 <= all.length, `${cell} is lost while ${gone.length} cells are gone`);
  }

  #forLong(cell: CellId): number | undefined {
    const sinceMs = this.#goneMs.get(cell);
    return sinceMs === undefined ? undefined : this.#clock.monotonic() - sinceMs;
  }

  #isForgotten(cell: CellId): boolean {
    return this.#simulation.world.text(`/cells/maintenance/${cell}`)?.includes('forget') ?? false;
  }
}

function lostIn(op: Op): CellId[] {
  if (op.type === 'when') return op.then.flatMap(lostIn);
  if (op.type !== 'put' || !op.key.startsWith(cellHealthPrefix)) return [];
  const { health } = JSON.parse(op.value) as CellHealth;
  return health === 'Lost' ? [op.key.slice(cellHealthPrefix.length) as CellId] : [];
}
