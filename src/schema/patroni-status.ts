import { z } from 'zod';
import type { NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import { good, type Parsed } from './parsed.ts';
import { isPrimaryRole } from './patroni.ts';

const answerShape = z.object({
  state: z.string(),
  role: z.string(),
  pending_restart: z.boolean().optional(),
  /** As PostgreSQL counts: 150004 is 15.4. */
  server_version: z.number().optional(),
  replication: z.array(z.object({ application_name: z.string(), state: z.string() })).optional(),
});

/** What a node's own Patroni says about it: its answer to `GET /patroni`. */
export interface PatroniStatus {
  readonly state: string;
  readonly role: string;
  readonly pendingRestart: boolean;
  /** Major version of PostgreSQL; undefined while it does not run. */
  readonly postgresqlVersion?: string;
  /** The members that stream from this node, sorted; undefined unless it is a primary, because only a primary knows. */
  readonly streaming: readonly NodeId[] | undefined;
  /** The members that are connected to this primary and are behind, sorted; left out when there are none. */
  readonly catchingUp?: readonly NodeId[];
}

export function parsePatroniStatus(text: string): Parsed<PatroniStatus> {
  const answer = parseJson(text, answerShape);
  if (!answer.ok) return answer;
  const { state, role, pending_restart = false, server_version, replication = [] } = answer.value;
  const names = (states: readonly string[]) =>
    replication.filter((each) => states.includes(each.state)).map((each) => each.application_name);
  const streaming = new Set(names(['streaming']));
  const catchingUp = names(['startup', 'catchup']).filter((name) => !streaming.has(name));
  return good({
    state,
    role,
    pendingRestart: pending_restart,
    ...(server_version !== undefined && { postgresqlVersion: String(Math.floor(server_version / 10_000)) }),
    // A member that reconnects is listed twice for a moment.
    streaming: isPrimaryRole(role) ? ([...streaming].sort() as NodeId[]) : undefined,
    ...(isPrimaryRole(role) && catchingUp.length > 0 && { catchingUp: [...new Set(catchingUp)].sort() as NodeId[] }),
  });
}
