import { z } from 'zod';
import type { NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import { good, type Parsed } from './parsed.ts';
import { isPrimaryRole } from './patroni.ts';

const answerShape = z.object({
  state: z.string(),
  role: z.string(),
  pending_restart: z.boolean().optional(),
  replication: z.array(z.object({ application_name: z.string(), state: z.string() })).optional(),
});

/** What a node's own Patroni says about it: its answer to `GET /patroni`. */
export interface PatroniStatus {
  readonly state: string;
  readonly role: string;
  readonly pendingRestart: boolean;
  /** The members that stream from this node, sorted; undefined unless it is a primary, because only a primary knows. */
  readonly streaming: readonly NodeId[] | undefined;
}

export function parsePatroniStatus(text: string): Parsed<PatroniStatus> {
  const answer = parseJson(text, answerShape);
  if (!answer.ok) return answer;
  const { state, role, pending_restart = false, replication = [] } = answer.value;
  const streaming = replication.filter((each) => each.state === 'streaming').map((each) => each.application_name);
  return good({
    state,
    role,
    pendingRestart: pending_restart,
    // A member that reconnects is listed twice for a moment.
    streaming: isPrimaryRole(role) ? ([...new Set(streaming)].sort() as NodeId[]) : undefined,
  });
}
