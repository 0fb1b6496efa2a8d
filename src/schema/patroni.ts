import { z } from 'zod';
import type { InstanceId, NodeId } from './ids.ts';
import { parseJson } from './json.ts';
import type { Parsed } from './parsed.ts';

/** `/service/<id>/…`: what Patroni keeps about one instance, and `state` (observed-state.ts), which is ours. */
export const servicePrefix = '/service/';
export const scopePrefix = (id: InstanceId): string => `${servicePrefix}${id}/`;
export const memberKey = (id: InstanceId, node: NodeId): string => `${servicePrefix}${id}/members/${node}`;
/** The only key that says who leads; a member's own role lags by up to a second. */
export const leaderKey = (id: InstanceId): string => `${servicePrefix}${id}/leader`;
/** Patroni's dynamic configuration, JSON. */
export const configKey = (id: InstanceId): string => `${servicePrefix}${id}/config`;
/** A requested switchover: `{"leader": …, "member": …}`; Patroni empties it to `{}` when done. */
export const failoverKey = (id: InstanceId): string => `${servicePrefix}${id}/failover`;
/** The system identifier once bootstrapped, empty while bootstrapping; survives the data. */
export const initializeKey = (id: InstanceId): string => `${servicePrefix}${id}/initialize`;

/** The instance and the rest of a key below `/service/`, undefined for any other key. */
export function parseScopeKey(key: string): { readonly instance: InstanceId; readonly rest: string } | undefined {
  const match = /^\/service\/([^/]+)\/(.+)$/.exec(key);
  return match ? { instance: match[1] as InstanceId, rest: match[2] as string } : undefined;
}

const memberShape = z.object({
  /** `master` and `primary` mean the same. Not to be believed about leadership. */
  role: z.string(),
  state: z.string(),
  conn_url: z.string(),
  api_url: z.string(),
  timeline: z.number().optional(),
  xlog_location: z.number().optional(),
  pending_restart: z.boolean().optional(),
});
export type Member = z.infer<typeof memberShape>;
export const parseMember = (text: string): Parsed<Member> => parseJson(text, memberShape);

/** Patroni's words for a PostgreSQL that should run and does not: `start failed`, `restart failed`, `crashed`, `initdb failed`, … */
export const isBroken = (state: string): boolean => /failed|crashed/.test(state);

export const isPrimaryRole = (role: string): boolean => role === 'master' || role === 'primary';

/** `host:port` of a member's `conn_url` or `api_url`, undefined when there is none. */
export function addressOf(url: string): string | undefined {
  try {
    const { hostname, port } = new URL(url);
    return hostname && port ? `${hostname}:${port}` : undefined;
  } catch {
    return undefined;
  }
}

const failoverShape = z.object({
  leader: z.string().optional(),
  member: z.string().optional(),
  scheduled_at: z.string().optional(),
});
export type FailoverRequest = z.infer<typeof failoverShape>;
export const parseFailover = (text: string): Parsed<FailoverRequest> => parseJson(text, failoverShape);
