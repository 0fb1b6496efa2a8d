import type { Catalog } from '../../schema/catalog.ts';
import type { CellRegistration, Maintenance } from '../../schema/cell.ts';
import type { Brake, CellHealth } from '../../schema/cell-health.ts';
import type { Credentials } from '../../schema/credentials.ts';
import type { DeletionOrder } from '../../schema/deletion.ts';
import type { CellId, InstanceId, NodeId, RouterId } from '../../schema/ids.ts';
import type { InstanceSpec } from '../../schema/instance-spec.ts';
import type { Parsed } from '../../schema/parsed.ts';
import type { Restored } from '../../schema/restoration.ts';
import type { PortRange } from '../../schema/routing.ts';
import type { AssignmentFacts, MemberFacts, ObservedFacts, RouterFacts, StateFacts } from './facts.ts';

/**
 * Everything that is known about one instance, as the decisions see it: a picture of the key space, taken without a
 * read over the network. Assembling one costs as much as the instance has nodes; `herd` is shared by all and live.
 */
export interface InstanceView {
  readonly id: InstanceId;
  /** `/serviceinstances/<id>`: its create revision is the uid, its mod revision the generation. */
  readonly document: Versioned<Parsed<InstanceSpec>> | undefined;
  readonly state: Versioned<Parsed<StateFacts>> | undefined;
  readonly credentials: Versioned<Parsed<Credentials>> | undefined;
  /** It was put back from a snapshot, and its nodes are being adopted. */
  readonly restored: Versioned<Parsed<Restored>> | undefined;
  /** What an operator said about the deletion of this instance. */
  readonly deletion: Versioned<Parsed<DeletionOrder>> | undefined;
  /** Every node that any key speaks of, by id. */
  readonly nodes: readonly NodeView[];
  readonly leader: Versioned<string> | undefined;
  /** The member key of whoever leads. */
  readonly leaderMember: Versioned<Parsed<MemberFacts>> | undefined;
  readonly failover: Versioned<string> | undefined;
  readonly initialize: Versioned<string> | undefined;
  /** Patroni's dynamic configuration, as text. */
  readonly config: Versioned<string> | undefined;
  readonly allocation: Versioned<Parsed<number>> | undefined;
  /** The ports whose `/routing/ports/<port>` names this instance, the lowest first: one, unless somebody meddled. */
  readonly heldPorts: readonly number[];
  /** The port that a try before this one was to take: nobody else gets it. */
  readonly promisedPort: number | undefined;
  readonly herd: HerdView;
}

/** A value and since when the store has it. */
export interface Versioned<T> {
  readonly value: T;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
}

/** The keys of one node. Normally there is one assignment, and at most one observation, on one cell. */
export interface NodeView {
  readonly id: NodeId;
  readonly backend: Versioned<string> | undefined;
  readonly assignments: readonly OnCell<AssignmentFacts>[];
  readonly observed: readonly OnCell<ObservedFacts>[];
  readonly member: Versioned<Parsed<MemberFacts>> | undefined;
  /** The cell that operators want it to leave, with the revision of their wish. */
  readonly leaving?: { readonly cell: CellId; readonly modRevision: bigint } | undefined;
  /** Whether an operator wants it stopped and left as it is. */
  readonly isFenced: boolean;
}

/** A key of a node that lies under a cell. */
export interface OnCell<T> {
  readonly cell: CellId;
  readonly entry: Versioned<Parsed<T>>;
}

/** What all instances share. */
export interface HerdView {
  readonly settings: Settings;
  /** Every cell that any key speaks of. */
  readonly cells: ReadonlyMap<CellId, CellView>;
  /** The routers that are registered now. */
  readonly routers: ReadonlyMap<RouterId, Parsed<RouterFacts>>;
  readonly nextPort: Versioned<Parsed<number>> | undefined;
  /** Where to look for a free port first: `nextPort`, or further on when commits that take ports are under way. */
  readonly portHint: number | undefined;
  /** Whom `/routing/ports/<port>` names, or who is about to take it. */
  portHolder(port: number): string | undefined;
  /** Why no node of a lost cell is replaced now: too many cells are gone. */
  readonly brake?: Brake | undefined;
  /** How many nodes may begin to be replaced or moved now; any number when left out. */
  readonly moves?: number | undefined;
  /** Until when nobody gets the port, because its instance is gone; undefined when that is not so. */
  quarantine(port: number): PortQuarantine | undefined;
  /** How many instances restart their nodes now. */
  readonly rollouts: number;
  /** How many instances there are, and how many of them were deleted in the last minutes. */
  deletions(nowMs: number): { readonly recent: number; readonly herd: number };
  /** The instances whose allocation says this port: more than one is a fault. */
  allocatedTo(port: number): readonly InstanceId[];
}

/** A port whose instance is gone. */
export interface PortQuarantine {
  readonly untilMs: number;
  readonly releasedMs: number;
  readonly confirmed: boolean;
  /** Of the port's key. */
  readonly modRevision: bigint;
}

/** What the controller was started with. */
export interface Settings {
  readonly catalog: Catalog;
  readonly portRange: PortRange;
  /** First segment of registrar keys. */
  readonly image: string;
  /** How long a cell may be gone before its nodes are replaced. */
  readonly cellLostAfterMs?: number | undefined;
  /** How long a replica may fail to follow before it is built anew. */
  readonly repairAfterMs?: number | undefined;
  /** How long everything of a deleted instance is kept, unless its document says otherwise. */
  readonly deletionGraceMs: number;
  /** How many instances may be deleted within ten minutes, if a tenth of the herd is less, before the rest is held. */
  readonly deletionBurst: number;
  /** How many instances may restart their nodes at a time. */
  readonly maxConcurrentRollouts: number;
  /** How long the port of an instance that is gone is given to nobody. */
  readonly portQuarantineMs: number;
}

/** One cell: what its agent says, and its load. */
export interface CellView {
  readonly id: CellId;
  /** Undefined while the agent is gone. */
  readonly registration: Parsed<CellRegistration> | undefined;
  /** Whether operators put it into maintenance, whatever they said about it. */
  readonly inMaintenance: boolean;
  /** What they said, if it can be read. */
  readonly maintenance?: Maintenance | undefined;
  /** What the controller thinks of it, as last written. */
  readonly health?: Versioned<CellHealth> | undefined;
  /** Nodes that are assigned to it, those being removed and those about to be committed included. */
  readonly nodes: number;
  readonly memoryMb: number;
}
