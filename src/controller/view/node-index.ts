import type { CellId, InstanceId, NodeId } from '../../schema/ids.ts';

/** Where the keys of one node are. */
export interface NodePlace {
  hasBackend: boolean;
  readonly assignments: CellId[];
  readonly observed: CellId[];
}

/** The nodes of every instance, so that a view is put together without looking at anybody else's. */
export class NodeIndex {
  readonly #instances = new Map<InstanceId, Map<NodeId, NodePlace>>();

  /** The instance's nodes, by id. */
  nodes(instance: InstanceId): [NodeId, NodePlace][] {
    const nodes = this.#instances.get(instance);
    return nodes ? [...nodes].sort(([one], [other]) => (one < other ? -1 : 1)) : [];
  }

  /** The cells that report the node. */
  observedOn(instance: InstanceId, node: NodeId): readonly CellId[] {
    return this.#instances.get(instance)?.get(node)?.observed ?? [];
  }

  setBackend(instance: InstanceId, node: NodeId, isThere: boolean): void {
    this.#update(instance, node, (place) => {
      place.hasBackend = isThere;
    });
  }

  setCell(instance: InstanceId, node: NodeId, what: 'assignments' | 'observed', cell: CellId, isThere: boolean): void {
    this.#update(instance, node, (place) => {
      const at = place[what].indexOf(cell);
      if (isThere && at < 0) place[what].push(cell);
      if (!isThere && at >= 0) place[what].splice(at, 1);
    });
  }

  #update(instance: InstanceId, node: NodeId, change: (place: NodePlace) => void): void {
    const nodes = this.#instances.get(instance) ?? new Map<NodeId, NodePlace>();
    const place = nodes.get(node) ?? { hasBackend: false, assignments: [], observed: [] };
    change(place);
    if (place.hasBackend || place.assignments.length > 0 || place.observed.length > 0) nodes.set(node, place);
    else nodes.delete(node);
    if (nodes.size > 0) this.#instances.set(instance, nodes);
    else this.#instances.delete(instance);
  }
}
