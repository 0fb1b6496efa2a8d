import { z } from 'zod';
import type { CellId, InstanceId, NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/**
 * `/cells/assignments/<cell>/<node>`: the order to a cell's agent to run one node, written by the controller together
 * with the node's `backend` leaf. `desired: stopped` orders the agent to stop the node and to keep its data; `removed`
 * orders it to stop the node and erase its data, which it confirms by deleting the node's observed key. An assignment
 * that is merely absent orders nothing to be erased.
 */
export const assignmentsPrefix = '/cells/assignments/';
export const cellAssignmentsPrefix = (cell: CellId): string => `${assignmentsPrefix}${cell}/`;
export const assignmentKey = (cell: CellId, node: NodeId): string => `${assignmentsPrefix}${cell}/${node}`;

export function parseAssignmentKey(key: string): { readonly cell: CellId; readonly node: NodeId } | undefined {
  const match = /^\/cells\/assignments\/([^/]+)\/([^/]+)$/.exec(key);
  return match ? { cell: match[1] as CellId, node: match[2] as NodeId } : undefined;
}

const assignmentShape = z.object({
  instance: z.string().transform((id) => id as InstanceId),
  node: z.string().transform((id) => id as NodeId),
  desired: z.enum(['running', 'stopped', 'removed']),
  /** First segment of the node's registrar key. */
  image: z.string(),
  /** What it is a container of; absent: the cell's own image. Processes cannot run one. */
  container_image: z.string().optional(),
  /** Major version of PostgreSQL; absent: what the cell has by default. */
  postgresql_version: z.string().optional(),
  resources: z.object({ memory_mb: z.number(), cpus: z.number() }),
  /** Patroni's dynamic configuration: what the first node puts into `/service/<id>/config`, which rules from then on. */
  dynamic_configuration: z.record(z.string(), z.unknown()),
  /** The key that holds the accounts; passwords are never part of an assignment. */
  credentials: z.string(),
  /** Of everything above that a running node must be restarted for; the agent reports the one it applied. */
  spec_hash: z.string(),
  /** True: PostgreSQL is to be restarted in place, once, if Patroni waits for that to apply parameters. */
  restart_pending: z.boolean().optional(),
});
export type Assignment = z.output<typeof assignmentShape>;
export const parseAssignment = (text: string): Parsed<Assignment> =>
  parseJson(text, assignmentShape as unknown as z.ZodType<Assignment>);
