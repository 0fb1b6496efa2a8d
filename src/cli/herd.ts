import type { Assignment } from '../schema/assignment.ts';
import type { Catalog } from '../schema/catalog.ts';
import type { CellRegistration, Maintenance } from '../schema/cell.ts';
import type { Brake, CellHealth } from '../schema/cell-health.ts';
import type { HerdEvent } from '../schema/event.ts';
import type { ObservedNode } from '../schema/observed-node.ts';
import type { ObservedState } from '../schema/observed-state.ts';
import type { Parsed } from '../schema/parsed.ts';
import type { Member } from '../schema/patroni.ts';
import type { RouterRegistration } from '../schema/routing.ts';
import type { KeyValue } from '../store/store.ts';

/** One instance as the key space shows it: what is wanted, what the controller says, what Patroni says. */
export interface InstanceView {
  readonly id: string;
  /** The document; absent while a deleted instance is being taken down. */
  document?: KeyValue;
  state?: Parsed<ObservedState>;
  /** The value of Patroni's leader key: the only one that says who leads. */
  leader?: string;
  /** Where the leader key was last written: routers that have applied this lead to the leader. */
  leaderRevision?: bigint;
  allocation?: Parsed<number>;
  readonly members: Map<string, Parsed<Member>>;
  readonly nodes: NodeView[];
}

/** One node: where it belongs, what was ordered, what its cell reports. */
export interface NodeView {
  readonly id: string;
  readonly instance: string;
  readonly cell: string;
  assignment?: Parsed<Assignment>;
  observed?: Parsed<ObservedNode>;
}

/** One cell: what it registered, what operators said about it, what it holds. */
export interface CellView {
  readonly id: string;
  /** Absent when its agent is not running. */
  registration?: Parsed<CellRegistration>;
  maintenance?: Parsed<Maintenance>;
  /** What the controller thinks of it. */
  health?: Parsed<CellHealth>;
  readonly nodes: NodeView[];
}

/** One running router. */
export interface RouterView {
  readonly id: string;
  readonly registration: Parsed<RouterRegistration>;
}

/** Something that happened. */
export interface EventView {
  readonly id: string;
  readonly event: HerdEvent;
}

/** The whole herd as of one look at the store, everything in the order of its ids, events in that of their times. */
export interface Herd {
  /** Identity of the leading controller, undefined when none is. */
  readonly controller: string | undefined;
  readonly catalog: Catalog;
  /** Why no node of a lost cell is replaced now. */
  readonly brake: Brake | undefined;
  readonly instances: ReadonlyMap<string, InstanceView>;
  readonly nodes: ReadonlyMap<string, NodeView>;
  readonly cells: ReadonlyMap<string, CellView>;
  readonly routers: ReadonlyMap<string, RouterView>;
  readonly events: readonly EventView[];
}
