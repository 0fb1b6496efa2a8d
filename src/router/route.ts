/**
 * Where a public port leads, decided from the keys alone. A route is a wish, not a state: `slot.ts` turns it into the
 * commands that make HAProxy agree.
 *
 * Who leads is what the leader key says. Without a leader key the last route stays: Patroni's own leader may well be
 * alive (failsafe mode, a store that lost its leases), HAProxy's health check asks it every second, and whoever leads
 * next is opened only after the old sessions have been cut. So keeping the route endangers nobody, and closing it
 * would let a hiccup of the store cut the whole herd off.
 */
import { isIP } from 'node:net';
import type { InstanceId, NodeId } from '../schema/ids.ts';
import { bad, good, type Parsed } from '../schema/parsed.ts';
import { addressOf, isPrimaryRole, type Member } from '../schema/patroni.ts';

/** Where connections of one member go, and where its Patroni is asked for a second opinion. IP addresses. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly checkHost: string;
  readonly checkPort: number;
}

/** What should be the case behind one port. */
export type Wish =
  /** Exactly these servers, best first; none closes the port. Whoever else has sessions loses them first. */
  | { readonly kind: 'open'; readonly endpoints: readonly Endpoint[] }
  /** No new connections; sessions that exist are left to the health check. */
  | { readonly kind: 'shut'; readonly reason: string }
  /** As it is. */
  | { readonly kind: 'hold'; readonly reason: string };

/** What should be the case behind both ports of an instance. */
export interface Route {
  readonly leader: Wish;
  readonly replicas: Wish;
}

/** What is known of one instance's Patroni cluster. */
export interface Scope {
  readonly leader: Leader | undefined;
  readonly members: Members;
}

/** The holder of the leader key, and since which revision. */
export interface Leader {
  readonly node: NodeId;
  readonly modRevision: bigint;
}

export type Members = ReadonlyMap<NodeId, KnownMember>;

/** One member as its key was when it was last readable, or what is wrong if it never was. */
export interface KnownMember {
  readonly member: Parsed<Member>;
  readonly endpoint: Parsed<Endpoint>;
  readonly modRevision: bigint;
}

/** Reads the addresses of a member once, not each time somebody asks for a route. */
export const knownMember = (member: Parsed<Member>, modRevision: bigint): KnownMember => ({
  member,
  endpoint: endpointOf(member),
  modRevision,
});

/** Who says that a port is his: the allocations that name it, and the key that makes it unique. */
export interface Claim {
  readonly claimants: readonly InstanceId[];
  readonly holder: InstanceId | undefined;
}

export const closed: Wish = { kind: 'open', endpoints: [] };

/**
 * The instance that a port belongs to, or why it is nobody's; undefined when no key speaks of the port. While only one
 * of the two keys is there or readable, something is wrong, and nobody's sessions are cut for it.
 */
export function ownerOf({ claimants, holder }: Claim): Parsed<InstanceId> | undefined {
  const [first, ...others] = claimants;
  if (holder !== undefined) {
    if (claimants.includes(holder)) return good(holder);
    return bad(`the port belongs to ${holder}, whose allocation does not say so`);
  }
  if (first === undefined) return undefined;
  return others.length === 0 ? good(first) : bad(`${claimants.join(', ')} have the same port`);
}

/** Both routes of one instance. */
export function routeOf(scope: Scope | undefined): Route {
  const leader = scope?.leader;
  if (!leader) {
    const hold: Wish = { kind: 'hold', reason: 'nobody holds the leader key' };
    return { leader: hold, replicas: hold };
  }
  return { leader: leaderWish(leader, scope.members), replicas: replicasWish(leader, scope.members) };
}

function leaderWish(leader: Leader, members: Members): Wish {
  for (const [node, { member, modRevision }] of members) {
    // A stopped leader's own key says primary until its lease ends: only one written after the leader key is a claim.
    if (node === leader.node || modRevision <= leader.modRevision || !member.ok) continue;
    if (isPrimaryRole(member.value.role) && member.value.state === 'running') {
      return { kind: 'shut', reason: `${leader.node} and ${node} both claim to lead` };
    }
  }
  const endpoint = members.get(leader.node)?.endpoint;
  if (!endpoint) return { kind: 'shut', reason: `leader ${leader.node} has no member key` };
  if (!endpoint.ok) return { kind: 'shut', reason: `leader ${leader.node}: ${endpoint.problem}` };
  return { kind: 'open', endpoints: [endpoint.value] };
}

function replicasWish(leader: Leader, members: Members): Wish {
  const endpoints: Endpoint[] = [];
  for (const node of [...members.keys()].sort()) {
    const { member, endpoint } = members.get(node) as KnownMember;
    if (node === leader.node || !member.ok || !endpoint.ok) continue;
    if (member.value.role === 'replica' && member.value.state === 'running') endpoints.push(endpoint.value);
  }
  return { kind: 'open', endpoints };
}

function endpointOf(member: Parsed<Member>): Parsed<Endpoint> {
  if (!member.ok) return bad(`member key: ${member.problem}`);
  const server = hostAndPort('conn_url', member.value.conn_url);
  if (!server.ok) return server;
  const check = hostAndPort('api_url', member.value.api_url);
  if (!check.ok) return check;
  return good({ ...server.value, checkHost: check.value.host, checkPort: check.value.port });
}

function hostAndPort(field: string, url: string): Parsed<{ readonly host: string; readonly port: number }> {
  const address = addressOf(url);
  const colon = address?.lastIndexOf(':') ?? -1;
  const host = address?.slice(0, colon).replace(/^\[(.*)\]$/, '$1') ?? '';
  const port = Number(address?.slice(colon + 1));
  // The value of the URL may carry a password: it is not part of the sentence.
  if (isIP(host) === 0 || !(port > 0)) return bad(`${field} has no IP address and port`);
  return good({ host, port });
}
