import type { InstanceId, NodeId } from '../schema/ids.ts';
import type { Parsed } from '../schema/parsed.ts';
import { isPrimaryRole, type Member } from '../schema/patroni.ts';
import type { PortRange } from '../schema/routing.ts';
import type { Fact } from './fact.ts';
import { closed, type KnownMember, knownMember, type Leader, ownerOf, type Route, routeOf } from './route.ts';

/** Ports and instances that a change of keys touched; the instances of the ports are not listed again. */
export interface RoutingChanges {
  readonly ports: Set<number>;
  readonly instances: Set<InstanceId>;
}

/** What becomes of new connections to one instance. */
export type RouteStatus =
  | { readonly state: 'open'; readonly port: number; readonly leader: string }
  /** Nobody leads: as it was. */
  | { readonly state: 'held' }
  | { readonly state: 'shut'; readonly problem: string };

const noChanges = (): RoutingChanges => ({ ports: new Set(), instances: new Set() });

/**
 * Everything the keys say about ports, kept by the port, so that a change costs the same however many instances there
 * are. It knows no HAProxy and no store.
 */
export class RoutingView {
  readonly #range: PortRange;
  readonly #allocations = new Map<InstanceId, Parsed<number>>();
  readonly #claimants = new Map<number, Set<InstanceId>>();
  readonly #holders = new Map<number, InstanceId>();
  readonly #scopes = new Map<InstanceId, { leader: Leader | undefined; readonly members: Map<NodeId, KnownMember> }>();
  #changed = noChanges();

  constructor(range: PortRange) {
    this.#range = range;
  }

  /** Takes in what a key says now; `undefined` as revision: the key that said it is gone. */
  apply(fact: Fact, modRevision: bigint | undefined): void {
    switch (fact.kind) {
      case 'allocation':
        this.#allocate(fact.instance, modRevision === undefined ? undefined : fact.port);
        break;
      case 'holder':
        if (modRevision === undefined) this.#holders.delete(fact.port);
        else this.#holders.set(fact.port, fact.instance);
        this.#changed.ports.add(fact.port);
        break;
      case 'leader':
        this.#scope(fact.instance).leader = modRevision === undefined ? undefined : { node: fact.node, modRevision };
        this.#scopeChanged(fact.instance);
        break;
      case 'member':
        this.#applyMember(fact, modRevision);
        break;
      case 'other':
    }
  }

  /** What may lead elsewhere since the last call. */
  takeChanges(): RoutingChanges {
    const changes = this.#changed;
    this.#changed = noChanges();
    return changes;
  }

  /** Where a public port of the block and its read-only port should lead. */
  route(port: number): Route {
    const owner = ownerOf(this.#claim(port));
    if (!owner) return { leader: closed, replicas: closed };
    if (owner.ok) return routeOf(this.#scopes.get(owner.value));
    const shut = { kind: 'shut', reason: owner.problem } as const;
    return { leader: shut, replicas: shut };
  }

  /** How many instances are in each state. */
  countStates(): Record<RouteStatus['state'], number> {
    const counts = { open: 0, held: 0, shut: 0 };
    for (const instance of this.#allocations.keys()) counts[this.statusOf(instance)?.state ?? 'shut'] += 1;
    return counts;
  }

  /** What becomes of new connections to an instance, undefined when it has no allocation. */
  statusOf(instance: InstanceId): RouteStatus | undefined {
    const allocation = this.#allocations.get(instance);
    if (!allocation) return undefined;
    if (!allocation.ok) return { state: 'shut', problem: `allocation: ${allocation.problem}` };
    const port = allocation.value;
    const { first, last } = this.#range;
    if (port < first || port > last) {
      return { state: 'shut', problem: `port ${port} is outside the block ${first}-${last}` };
    }
    const owner = ownerOf(this.#claim(port));
    if (owner?.ok && owner.value !== instance) {
      return { state: 'shut', problem: `port ${port} belongs to ${owner.value}` };
    }
    const { leader } = this.route(port);
    switch (leader.kind) {
      case 'shut':
        return { state: 'shut', problem: leader.reason };
      case 'hold':
        return { state: 'held' };
      case 'open':
        return { state: 'open', port, leader: leader.endpoints.map((each) => `${each.host}:${each.port}`).join() };
    }
  }

  /** The instances whose allocation names this port. */
  claimants(port: number): Iterable<InstanceId> {
    return this.#claimants.get(port) ?? [];
  }

  #applyMember({ instance, node, member }: Fact & { kind: 'member' }, modRevision: bigint | undefined): void {
    const { leader, members } = this.#scope(instance);
    const before = members.get(node)?.member;
    if (modRevision === undefined) {
      members.delete(node);
    } else if (member.ok) {
      members.set(node, knownMember(member, modRevision));
      const isClaim = isPrimaryRole(member.value.role) && node !== leader?.node;
      // Patroni writes member keys every few seconds only to move a position: nothing follows from that.
      if (before?.ok && !isClaim && isSameMember(before.value, member.value)) return;
    } else if (!before?.ok) {
      members.set(node, knownMember(member, modRevision));
    } else {
      // What cannot be read is not taken for a change: the last readable value stays in force.
      return;
    }
    this.#scopeChanged(instance);
  }

  #claim(port: number) {
    return { claimants: [...(this.#claimants.get(port) ?? [])].sort(), holder: this.#holders.get(port) };
  }

  #allocate(instance: InstanceId, port: Parsed<number> | undefined): void {
    this.#changed.instances.add(instance);
    const before = this.#allocations.get(instance);
    if (before?.ok) {
      const claimants = this.#claimants.get(before.value);
      claimants?.delete(instance);
      if (claimants?.size === 0) this.#claimants.delete(before.value);
      this.#changed.ports.add(before.value);
    }
    if (port) this.#allocations.set(instance, port);
    else this.#allocations.delete(instance);
    if (!port?.ok) return;
    const claimants = this.#claimants.get(port.value) ?? new Set();
    this.#claimants.set(port.value, claimants.add(instance));
    this.#changed.ports.add(port.value);
  }

  #scope(instance: InstanceId) {
    let scope = this.#scopes.get(instance);
    if (!scope) {
      scope = { leader: undefined, members: new Map() };
      this.#scopes.set(instance, scope);
    }
    return scope;
  }

  #scopeChanged(instance: InstanceId): void {
    const scope = this.#scopes.get(instance);
    if (scope && !scope.leader && scope.members.size === 0) this.#scopes.delete(instance);
    const allocation = this.#allocations.get(instance);
    if (allocation?.ok) this.#changed.ports.add(allocation.value);
  }
}

const isSameMember = (a: Member, b: Member): boolean =>
  a.role === b.role && a.state === b.state && a.conn_url === b.conn_url && a.api_url === b.api_url;
