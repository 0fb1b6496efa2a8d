import type { CellId } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import { lastZone } from '../decide/cell-health.ts';
import { inPool } from '../decide/placement.ts';
import type { CellView } from '../view/instance-view.ts';
import type { CountedInstance } from './census.ts';

/** Tells which instances would lose more than one node together, although their pool has room to spread them. */
export class Spread {
  readonly #cells: ReadonlyMap<CellId, CellView>;
  /** Pools repeat: looked at once each. */
  readonly #zonesOfPool = new Map<string, number>();

  constructor(cells: ReadonlyMap<CellId, CellView>) {
    this.#cells = cells;
  }

  sharesCell({ nodes }: CountedInstance): boolean {
    return new Set(nodes.map(({ cell }) => cell)).size < nodes.length;
  }

  /** Nodes on cells whose zone is not known now count as well spread. */
  sharesZone({ nodes, state }: CountedInstance): boolean {
    if (!state?.accepted) return false;
    const zones = nodes.map(({ cell }) => this.#zone(cell) ?? `of ${cell}`);
    return new Set(zones).size < Math.min(nodes.length, this.#zones(state.accepted.pool));
  }

  #zone(id: CellId): string | undefined {
    const cell = this.#cells.get(id);
    return cell && lastZone(cell);
  }

  #zones(pool: InstanceSpec['pool']): number {
    const key = JSON.stringify(pool);
    let count = this.#zonesOfPool.get(key);
    if (count === undefined) {
      const zones = new Set<string>();
      for (const { id, registration } of this.#cells.values()) {
        if (registration?.ok && inPool(id, registration.value, pool)) zones.add(registration.value.zone);
      }
      count = zones.size;
      this.#zonesOfPool.set(key, count);
    }
    return count;
  }
}
