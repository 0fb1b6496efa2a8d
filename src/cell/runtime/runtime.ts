import type { Assignment } from '../../schema/assignment.ts';
import type { Account, Credentials } from '../../schema/credentials.ts';
import type { InstanceId, NodeId } from '../../schema/ids.ts';
import type { PatroniStatus } from '../../schema/patroni-status.ts';

/**
 * What runs nodes on a cell. A runtime knows processes and data, never the store's assignments: the agent decides, the
 * runtime obeys and says what it sees. All runtimes pass `test/contract/runtime.ts`. Calls for one node never overlap.
 *
 *     absent ── start ──▶ running ── the processes end, asked or not ──▶ ended ── settle ──▶ stopped ── start ──▶ running
 *                                                                                    └─ erase, discard ──▶ absent
 *
 * `ended` survives restarts of the agent: it is left only by `settle`, after the agent dealt with the leader key.
 */
export interface Runtime {
  /** `process`, `docker`, `simulated`: shown wherever the cell is. */
  readonly name: string;
  /** What keeps this runtime from working, as a sentence; undefined when all is well. */
  readonly problem: string | undefined;
  /** A directory of this machine on the disk that nodes live on; undefined where they have none, or it is unknown. */
  readonly dataPath?: string | undefined;
  /** The disk that nodes live on, once it is nearly full. */
  readonly disk?: { readonly directory: string; readonly used_percent: number } | undefined;
  /** Major versions of PostgreSQL that nodes may have here; undefined while nobody knows. */
  readonly postgresqlVersions: readonly string[] | undefined;
  /** Whether nodes may be of any container image. */
  readonly takesImages: boolean;
  /** Finds what earlier agents left here, and takes over the nodes that run. Call once, before everything else. */
  adopt(): Promise<void>;
  /** Supervises until the signal aborts; running nodes run on. */
  run(signal: AbortSignal): Promise<void>;
  /** Calls back whenever `see` has something new to say about a node. */
  onChange(handler: (node: NodeId) => void): void;
  /** The nodes that are not absent. */
  nodes(): Iterable<NodeId>;
  see(node: NodeId): NodeSight;
  /**
   * Whether what this assignment needs besides the node's data is here, so that the node can be started, or stopped to be
   * started anew. What can be fetched is, from the first time that somebody asks.
   */
  readiness(assignment: Assignment): Promise<Readiness>;
  /** Starts an absent or stopped node; it then is running, though Patroni may not answer yet. */
  start(order: NodeOrder): Promise<void>;
  /** Stops a running node: politely, after a bounded time surely. Resolves when it is ended: no process is left. */
  stop(node: NodeId): Promise<void>;
  /**
   * Kills what is left of this ended node. `proven`: no process of it is left, and there can be none any more. `unproven`:
   * that cannot be known from here, now or later. Rejects when it is worth to ask again.
   */
  prove(node: NodeId): Promise<Proof>;
  /** Turns an ended node into a stopped one. */
  settle(node: NodeId): Promise<void>;
  /** Asks the Patroni of this running node to restart PostgreSQL in place if it waits for that; rejects when it does not answer. */
  restartPending(node: NodeId, admin: Account): Promise<void>;
  /** Remembers that the data of this running node are those of a bootstrapped instance. */
  complete(node: NodeId): Promise<void>;
  /** Moves the data of an ended node away, so that it starts without; resolves with whether there were any. */
  putDataAside(node: NodeId): Promise<boolean>;
  /** Deletes the data of a stopped node. */
  erase(node: NodeId): Promise<void>;
  /** Puts the data of a stopped node aside, where a person finds it. */
  discard(node: NodeId): Promise<void>;
}

/** Whether a node can be started as it was ordered; `impossible` says why not, for people. */
export type Readiness =
  | { readonly state: 'ready' }
  | { readonly state: 'fetching' }
  | { readonly state: 'impossible'; readonly why: string };

export const ready: Readiness = { state: 'ready' };
export const impossible = (why: string): Readiness => ({ state: 'impossible', why });

/** Whether it is certain that no process of a node is left. */
export type Proof = 'proven' | 'unproven';

/** Everything needed to start a node. */
export interface NodeOrder {
  readonly assignment: Assignment;
  readonly credentials: Credentials;
}

/** `host:port` at which the node's internal ports are reached. */
export interface NodePorts {
  readonly postgresql: string;
  readonly patroni: string;
}

/** What a runtime sees of one node. */
export type NodeSight =
  /** Where nodes live cannot be read: nobody knows whether the node is there. `start` tries again, or says why not. */
  | { readonly state: 'unknown' }
  | { readonly state: 'absent' }
  | { readonly state: 'stopped'; readonly instance: InstanceId; readonly specHash: string }
  | {
      readonly state: 'running';
      readonly instance: InstanceId;
      readonly specHash: string;
      readonly ports: NodePorts;
      /** Patroni is not started before the node has read its own bindings. */
      readonly looksItselfUp?: true;
      /** Of the process that all others of the node end with, where there is one. */
      readonly pid?: number;
      /** What Patroni last answered; undefined while it does not. */
      readonly patroni: PatroniStatus | undefined;
      /** Where a person finds its logs. */
      readonly directory: string;
      /** False while the node may be in the middle of a bootstrap. */
      readonly complete: boolean;
    }
  | {
      readonly state: 'ended';
      readonly instance: InstanceId;
      readonly specHash: string;
      /** How it ended, for people; undefined when it was asked to. */
      readonly unexpected: string | undefined;
      readonly complete: boolean;
    };
