import { z } from 'zod';
import type { CellId, InstanceId, NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/**
 * `/cells/observed/<cell>/<node>`: what a cell's agent sees of one node. Written before the node is first started (in a
 * transaction that compares the assignment's revision), deleted only after the node is stopped and its data erased:
 * while the key exists, something of the node may exist on that cell. Not on a lease.
 */
export const observedPrefix = '/cells/observed/';
export const cellObservedPrefix = (cell: CellId): string => `${observedPrefix}${cell}/`;
export const observedKey = (cell: CellId, node: NodeId): string => `${observedPrefix}${cell}/${node}`;

export function parseObservedKey(key: string): { readonly cell: CellId; readonly node: NodeId } | undefined {
  const match = /^\/cells\/observed\/([^/]+)\/([^/]+)$/.exec(key);
  return match ? { cell: match[1] as CellId, node: match[2] as NodeId } : undefined;
}

/** starting: ordered, Patroni does not answer yet. running: Patroni answers and PostgreSQL runs. failed: see last_error. */
export const nodeStates = ['starting', 'running', 'stopping', 'stopped', 'failed'] as const;
export type NodeState = (typeof nodeStates)[number];

const observedShape = z.object({
  instance: z.string().transform((id) => id as InstanceId),
  node: z.string().transform((id) => id as NodeId),
  state: z.enum(nodeStates),
  /** Hash of the assignment that the running node was started with. */
  spec_hash: z.string(),
  /**
   * Where the node's internal ports are reachable, host:port by internal port; empty unless it is running, or starting
   * and waiting for its bindings, which say the same.
   */
  ports: z.record(z.string(), z.string()),
  /** Starts after the first since the assignment. */
  restarts: z.number().int(),
  last_error: z.string().optional(),
  /** On the leader's node only: the members that stream from it now, sorted (Patroni's `running` does not say that). */
  streaming: z.array(z.string().transform((id) => id as NodeId)).optional(),
  /** On the leader's node only: the members that are connected and behind, sorted; absent when there are none. */
  catching_up: z.array(z.string().transform((id) => id as NodeId)).optional(),
  /** Of the process on the cell that all others of the node end with: for people who look for it there. */
  pid: z.number().int().optional(),
  /** Major version of the PostgreSQL that runs. */
  postgresql_version: z.string().optional(),
  /** True when Patroni waits for a restart to apply a parameter. */
  pending_restart: z.boolean().optional(),
});
export type ObservedNode = z.output<typeof observedShape>;
export const parseObservedNode = (text: string): Parsed<ObservedNode> =>
  parseJson(text, observedShape as unknown as z.ZodType<ObservedNode>);
