import type { CellRegistration, Maintenance } from '../../schema/cell.ts';
import type { CellHealth } from '../../schema/cell-health.ts';
import type { CellId, InstanceId, NodeId } from '../../schema/ids.ts';
import { instanceOfNode } from '../../schema/ids.ts';
import type { Parsed } from '../../schema/parsed.ts';
import type { CellView, Versioned } from './instance-view.ts';

/** Every cell with its load, kept up to date change by change. */
export class CellIndex {
  readonly #cells = new Map<CellId, Cell>();
  #named: Map<string, CellView[]> | undefined;
  #registered: number | undefined;

  get cells(): ReadonlyMap<CellId, CellView> {
    return this.#cells;
  }

  setRegistration(id: CellId, registration: Parsed<CellRegistration> | undefined): void {
    this.#update(id, (cell) => {
      cell.registration = registration;
    });
    // Cells come and go seldom; their names are asked for with every registrar key.
    this.#named = undefined;
    this.#registered = undefined;
  }

  /** How many cells are registered. */
  get registered(): number {
    this.#registered ??= [...this.#cells.values()].filter(({ registration }) => registration).length;
    return this.#registered;
  }

  setMaintenance(id: CellId, maintenance: Parsed<Maintenance> | undefined): void {
    this.#update(id, (cell) => {
      cell.inMaintenance = maintenance !== undefined;
      cell.maintenance = maintenance?.ok ? maintenance.value : undefined;
    });
  }

  setHealth(id: CellId, health: Versioned<CellHealth> | undefined): void {
    this.#update(id, (cell) => {
      cell.health = health;
    });
  }

  /** The nodes that are assigned to the cell. */
  nodesOn(id: CellId): Iterable<NodeId> {
    return this.#cells.get(id)?.load.keys() ?? [];
  }

  /** How many nodes the cell reports, assigned to it or not. */
  reportedOn(id: CellId): number {
    return this.#cells.get(id)?.reported.size ?? 0;
  }

  /** Counts the node as load of the cell; as often as one likes, it is counted once. */
  addNode(id: CellId, node: NodeId, memoryMb: number): void {
    this.#update(id, (cell) => cell.add(node, memoryMb));
  }

  removeNode(id: CellId, node: NodeId): void {
    this.#update(id, (cell) => cell.remove(node));
  }

  /** Whether the cell reports the node, assigned to it or not. */
  setReported(id: CellId, node: NodeId, isReported: boolean): void {
    this.#update(id, ({ reported }) => {
      if (isReported) reported.add(node);
      else reported.delete(node);
    });
  }

  /** The instances that have a node on the cell, or had one that it still reports. */
  instancesOn(id: CellId): Set<InstanceId> {
    const instances = new Set<InstanceId>();
    const cell = this.#cells.get(id);
    for (const node of cell ? [...cell.load.keys(), ...cell.reported] : []) {
      const instance = instanceOfNode(node);
      if (instance) instances.add(instance);
    }
    return instances;
  }

  /** The cells whose registration carries this host name. */
  named(hostname: string): readonly CellView[] {
    this.#named ??= byHostname(this.#cells.values());
    return this.#named.get(hostname) ?? [];
  }

  #update(id: CellId, change: (cell: Cell) => void): void {
    const cell = this.#cells.get(id) ?? new Cell(id);
    change(cell);
    const isKnown = cell.registration || cell.inMaintenance || cell.health;
    if (isKnown || cell.load.size > 0 || cell.reported.size > 0) this.#cells.set(id, cell);
    else this.#cells.delete(id);
  }
}

function byHostname(cells: Iterable<CellView>): Map<string, CellView[]> {
  const named = new Map<string, CellView[]>();
  for (const cell of cells) {
    if (!cell.registration?.ok) continue;
    const { hostname } = cell.registration.value;
    named.set(hostname, [...(named.get(hostname) ?? []), cell]);
  }
  return named;
}

class Cell implements CellView {
  readonly id: CellId;
  readonly load = new Map<NodeId, number>();
  readonly reported = new Set<NodeId>();
  registration: Parsed<CellRegistration> | undefined;
  inMaintenance = false;
  maintenance: Maintenance | undefined;
  health: Versioned<CellHealth> | undefined;
  memoryMb = 0;

  constructor(id: CellId) {
    this.id = id;
  }

  get nodes(): number {
    return this.load.size;
  }

  add(node: NodeId, memoryMb: number): void {
    this.memoryMb += memoryMb - (this.load.get(node) ?? 0);
    this.load.set(node, memoryMb);
  }

  remove(node: NodeId): void {
    this.memoryMb -= this.load.get(node) ?? 0;
    this.load.delete(node);
  }
}
