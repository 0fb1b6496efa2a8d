import { type Assignment, assignmentsPrefix, parseAssignmentKey } from '../../../src/schema/assignment.ts';
import { bindingKey, patroniPort, postgresqlPort } from '../../../src/schema/binding.ts';
import { type CellRegistration, registeredKey } from '../../../src/schema/cell.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId } from '../../../src/schema/ids.ts';
import { type ObservedNode, observedKey, observedPrefix, parseObservedKey } from '../../../src/schema/observed-node.ts';
import { configKey, failoverKey, initializeKey, leaderKey, memberKey } from '../../../src/schema/patroni.ts';
import { routersPrefix } from '../../../src/schema/routing.ts';
import type { World } from './world.ts';

/**
 * Cells, Patroni and a router as far as the controller can tell: each step looks at the key space and does one thing.
 * `data` counts the writes that a node has: what may never get lost.
 */
export class Simulation {
  readonly world: World;
  readonly data = new Map<NodeId, number>();
  /** Replicas that run and cannot follow. */
  readonly broken = new Set<NodeId>();
  /** Nodes whose processes run → the hash of the assignment that they were started with. */
  readonly running = new Map<NodeId, string>();
  /** Major version of PostgreSQL that an instance's data are of. */
  readonly #versions = new Map<InstanceId, string>();
  /** max_connections that the leader of an instance runs with: what its replicas need at least. */
  readonly #least = new Map<InstanceId, number>();
  /** What nodes run with. */
  readonly connections = new Map<NodeId, number>();
  #nextPort = 40000;

  constructor(world: World) {
    this.world = world;
  }

  /** Everything that is due, everywhere, until nothing is: with passes of the controller over `ids`. */
  settle(ids: readonly string[], mostRounds = 200): void {
    for (let round = 0; round < mostRounds; round++) {
      const before = this.world.keyspace.revision;
      for (const id of ids) this.world.pass(id);
      this.stepAll(ids);
      if (this.world.keyspace.revision === before) return;
    }
    throw new Error(`not settled after ${mostRounds} rounds`);
  }

  stepAll(ids: readonly string[]): void {
    for (const cell of this.cells()) this.stepCell(cell);
    for (const id of ids) this.stepPatroni(id as InstanceId);
    this.stepRouter();
  }

  cells(): CellId[] {
    return this.world.keys('/cells/registered/').map((key) => key.slice('/cells/registered/'.length) as CellId);
  }

  /** One look of a cell's agent at its assignments and its nodes. */
  stepCell(cell: CellId): void {
    if (!this.world.text(registeredKey(cell))) return;
    const { world } = this;
    const assigned = new Set<NodeId>();
    for (const key of world.keys(`${assignmentsPrefix}${cell}/`)) {
      const node = parseAssignmentKey(key)?.node as NodeId;
      assigned.add(node);
      const mod = world.keyspace.get(key)?.modRevision ?? 0n;
      let assignment: Assignment;
      try {
        assignment = world.json<Assignment>(key) as Assignment;
      } catch {
        continue;
      }
      const observed = world.json<ObservedNode>(observedKey(cell, node));
      const seen = [{ key, target: 'mod' as const, op: '=' as const, value: mod }];
      if (assignment.desired === 'removed') {
        if (observed) this.#erase(cell, node);
      } else if (assignment.desired === 'stopped') {
        if (observed && observed.state !== 'stopped') this.#halt(cell, node, observed);
      } else if (!observed) {
        world.txn(seen, { [observedKey(cell, node)]: this.#report(assignment, 'starting') });
      } else if (
        observed.state === 'starting' ||
        observed.state === 'stopped' ||
        observed.spec_hash !== assignment.spec_hash
      ) {
        this.#start(cell, node, assignment);
      } else {
        if (assignment.restart_pending && observed.pending_restart) this.#restartInPlace(node);
        this.#reportStreaming(cell, node, observed);
      }
    }
    for (const key of world.keys(`${observedPrefix}${cell}/`)) {
      const node = parseObservedKey(key)?.node as NodeId;
      // Its data goes to the trash, where it is kept.
      if (!assigned.has(node)) this.#erase(cell, node, true);
    }
  }

  /** One round of Patroni: bootstrap, switchover or election, and replication. */
  stepPatroni(id: InstanceId): void {
    const { world } = this;
    const members = [...this.running.keys()].filter((node) => instanceOfNode(node) === id).sort();
    const leader = world.text(leaderKey(id)) as NodeId | undefined;
    if (leader === undefined) {
      const next = this.#electable(id, members);
      if (next) this.#promote(id, next);
      return;
    }
    if (!members.includes(leader)) {
      world.delete(leaderKey(id));
      return;
    }
    this.data.set(leader, (this.data.get(leader) ?? 0) + 1);
    for (const member of members) {
      if (!this.broken.has(member)) this.data.set(member, this.data.get(leader) as number);
    }
    const request = world.json<{ leader?: string; member?: NodeId }>(failoverKey(id));
    if (request?.leader !== undefined) {
      const target = request.member ?? members.find((member) => member !== leader);
      if (request.leader === leader && target && members.includes(target)) this.#promote(id, target);
      world.put(failoverKey(id), {});
    }
  }

  /** The router applies everything there is. */
  stepRouter(): void {
    const { portRange } = this.world.settings;
    const key = `${routersPrefix}r1`;
    const present = this.world.keyspace.get(key);
    const routed = /^\/routing\/allocation\/|^\/service\/[^/]+\/leader$/;
    const news = this.world
      .pairs()
      .some((pair) => routed.test(pair.key) && pair.modRevision > (present?.modRevision ?? 0n));
    if (present && !news) return;
    this.world.put(key, {
      router: 'r1',
      address: '127.0.0.9',
      applied_revision: String(this.world.keyspace.revision),
      refused_ports: [],
      ports: `${portRange.first}-${portRange.last}`,
      version: '0',
    });
  }

  /** The machine of a cell is gone, with everything that runs on it; its disk may come back. */
  loseCell(cell: CellId): void {
    const { world } = this;
    const hostname = world.json<CellRegistration>(registeredKey(cell))?.hostname;
    world.delete(registeredKey(cell));
    for (const key of world.keys(`${observedPrefix}${cell}/`)) {
      const node = parseObservedKey(key)?.node as NodeId;
      if (!this.running.delete(node)) continue;
      const id = instanceOfNode(node) as InstanceId;
      if (world.text(leaderKey(id)) === node) world.delete(leaderKey(id));
      world.delete(memberKey(id, node));
    }
    for (const key of world.keys('/postgresql-patroni/')) if (key.includes(`/${hostname}:`)) world.delete(key);
  }

  /** The agent of a cell is gone, with all that hangs on its lease; what it started runs on. */
  silenceCell(cell: CellId): void {
    const { world } = this;
    const hostname = world.json<CellRegistration>(registeredKey(cell))?.hostname;
    world.delete(registeredKey(cell));
    for (const key of world.keys('/postgresql-patroni/')) if (key.includes(`/${hostname}:`)) world.delete(key);
  }

  /** An agent that was gone is back, and finds everything as it left it. */
  unsilenceCell(cell: CellId, zone: string): void {
    const { world } = this;
    world.cell(cell, zone);
    const { hostname } = world.json<CellRegistration>(registeredKey(cell)) as CellRegistration;
    for (const key of world.keys(`${observedPrefix}${cell}/`)) {
      const { node, ports } = world.json<ObservedNode>(key) as ObservedNode;
      for (const [port, address] of Object.entries(ports)) {
        world.put(bindingKey(world.settings.image, hostname, node, Number(port)), address);
      }
    }
  }

  /** The cell's agent is back, and starts what it is still ordered to run. */
  returnCell(cell: CellId, zone: string): void {
    const { world } = this;
    for (const key of world.keys(`${observedPrefix}${cell}/`)) {
      const { streaming: _, ...report } = world.json<ObservedNode>(key) as ObservedNode;
      world.put(key, { ...report, state: 'starting', ports: {} });
    }
    world.cell(cell, zone);
  }

  /** Ends the processes of a node; its agent starts it again. */
  kill(node: NodeId): void {
    const id = instanceOfNode(node) as InstanceId;
    const cell = this.world.keys(observedPrefix).find((key) => key.endsWith(`/${node}`));
    const at = cell && parseObservedKey(cell);
    if (!at || !this.running.delete(node)) return;
    if (this.world.text(leaderKey(id)) === node) this.world.delete(leaderKey(id));
    this.world.delete(memberKey(id, node));
    const observed = this.world.json<ObservedNode>(observedKey(at.cell, node)) as ObservedNode;
    const { streaming: _, ...rest } = observed;
    this.world.put(observedKey(at.cell, node), { ...rest, state: 'starting', ports: {} });
  }

  #electable(id: InstanceId, members: readonly NodeId[]): NodeId | undefined {
    if (!this.world.text(initializeKey(id))) {
      const first = members[0];
      if (first) this.data.set(first, 1);
      return first;
    }
    const all = [...this.data].filter(([node]) => instanceOfNode(node) === id);
    const most = Math.max(0, ...all.map(([, amount]) => amount));
    return members.find((member) => most > 0 && this.data.get(member) === most);
  }

  #promote(id: InstanceId, leader: NodeId): void {
    const { world } = this;
    world.put(leaderKey(id), leader);
    this.#least.set(id, this.connections.get(leader) ?? 0);
    if (!world.text(initializeKey(id))) {
      const order = world.keys(assignmentsPrefix).find((key) => key.endsWith(`/${leader}`)) ?? '';
      world.put(configKey(id), world.json<Assignment>(order)?.dynamic_configuration);
      world.put(initializeKey(id), '7710381564229972964');
    }
    for (const node of this.running.keys()) {
      if (instanceOfNode(node) === id) this.#announce(id, node, node === leader ? 'master' : 'replica');
    }
  }

  #start(cell: CellId, node: NodeId, assignment: Assignment): void {
    this.running.set(node, assignment.spec_hash);
    const version = this.#versionOf(assignment);
    const least = this.world.text(initializeKey(assignment.instance))
      ? this.#least.get(assignment.instance)
      : undefined;
    this.connections.set(node, Math.max(least ?? 0, connectionsOf(assignment.dynamic_configuration)));
    const ports = {
      [postgresqlPort]: `127.0.0.1:${this.#nextPort++}`,
      [patroniPort]: `127.0.0.1:${this.#nextPort++}`,
    };
    const { hostname } = this.world.json<CellRegistration>(registeredKey(cell)) as CellRegistration;
    this.world.txn([], {
      [observedKey(cell, node)]: { ...this.#report(assignment, 'running'), ports, postgresql_version: version },
      [bindingKey(assignment.image, hostname, node, postgresqlPort)]: ports[postgresqlPort],
      [bindingKey(assignment.image, hostname, node, patroniPort)]: ports[patroniPort],
    });
    this.#announce(assignment.instance, node, 'replica');
  }

  /** What Patroni says of a node whose parameters are not what is configured. */
  #isPending(node: NodeId): boolean {
    const configured = this.world.json<object>(configKey(instanceOfNode(node) as InstanceId));
    return configured !== undefined && this.connections.get(node) !== connectionsOf(configured);
  }

  // A replica starts with no less than its leader has.
  #restartInPlace(node: NodeId): void {
    const id = instanceOfNode(node) as InstanceId;
    const configured = connectionsOf(this.world.json<object>(configKey(id)) ?? {});
    if (this.world.text(leaderKey(id)) === node) this.#least.set(id, configured);
    this.connections.set(node, Math.max(this.#least.get(id) ?? 0, configured));
  }

  // Whoever has no data copies those of the leader.
  #versionOf({ instance, postgresql_version = '15' }: Assignment): string {
    const known = this.world.text(initializeKey(instance)) ? this.#versions.get(instance) : undefined;
    const version = known ?? postgresql_version;
    this.#versions.set(instance, version);
    return version;
  }

  #announce(id: InstanceId, node: NodeId, role: string): void {
    const member = {
      role,
      state: 'running',
      conn_url: 'postgres://127.0.0.1:1/postgres',
      api_url: 'http://127.0.0.1:2/patroni',
    };
    this.world.put(memberKey(id, node), member);
  }

  #report(assignment: Assignment, state: ObservedNode['state']) {
    const { instance, node, spec_hash } = assignment;
    return { instance, node, state, spec_hash, ports: {}, restarts: 0 };
  }

  #reportStreaming(cell: CellId, node: NodeId, observed: ObservedNode): void {
    const id = instanceOfNode(node) as InstanceId;
    const leads = this.world.text(leaderKey(id)) === node;
    const others = [...this.running.keys()].filter((other) => other !== node && instanceOfNode(other) === id).sort();
    const streaming = others.filter((other) => this.data.get(other) === this.data.get(node));
    const isPending = this.#isPending(node);
    const isSame = JSON.stringify(observed.streaming) === JSON.stringify(leads ? streaming : undefined);
    if (isSame && isPending === (observed.pending_restart ?? false)) return;
    const { streaming: _, pending_restart: __, ...rest } = observed;
    const news = { ...(leads && { streaming }), ...(isPending && { pending_restart: true }) };
    this.world.put(observedKey(cell, node), { ...rest, ...news });
  }

  /** Stops a node by order: in one round, as quickly as the others let go of what it wrote last. */
  #halt(cell: CellId, node: NodeId, observed: ObservedNode): void {
    this.kill(node);
    const { streaming: _, ...rest } = observed;
    const gone = this.world.keys('/postgresql-patroni/').filter((key) => key.includes(`:cf-${node}:`));
    this.world.txn([], {
      [observedKey(cell, node)]: { ...rest, state: 'stopped', ports: {} },
      ...Object.fromEntries(gone.map((key) => [key, undefined])),
    });
  }

  #erase(cell: CellId, node: NodeId, keepsData = false): void {
    const id = instanceOfNode(node) as InstanceId;
    this.running.delete(node);
    if (!keepsData) this.data.delete(node);
    if (this.world.text(leaderKey(id)) === node) this.world.delete(leaderKey(id));
    this.world.delete(memberKey(id, node));
    const gone = this.world.keys('/postgresql-patroni/').filter((key) => key.includes(`:cf-${node}:`));
    this.world.txn([], Object.fromEntries([observedKey(cell, node), ...gone].map((key) => [key, undefined])));
  }
}

const connectionsOf = (configuration: object): number => {
  const { postgresql } = configuration as { postgresql?: { parameters?: { max_connections?: number } } };
  return postgresql?.parameters?.max_connections ?? 0;
};
