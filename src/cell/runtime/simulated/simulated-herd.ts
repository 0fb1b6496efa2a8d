import { isDeepStrictEqual } from 'node:util';
import { Controller, type Result } from '../../../engine/controller.ts';
import { Informer } from '../../../engine/informer.ts';
import type { Logger } from '../../../engine/logger.ts';
import { EngineMetrics, Registry } from '../../../engine/metrics.ts';
import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import { servicePrefix } from '../../../schema/patroni.ts';
import type { PatroniStatus } from '../../../schema/patroni-status.ts';
import { keepLease } from '../../../store/keep-lease.ts';
import { releaseLease } from '../../../store/release-lease.ts';
import { type Lease, prefixRange, type Store } from '../../../store/store.ts';
import type { Clock } from '../../../time/clock.ts';
import { GroupCommit } from '../../group-commit.ts';
import { decideScope, type ScopeView } from './decide-scope.ts';
import { Expiries } from './expiries.ts';
import { heartbeat, leave } from './member-writes.ts';
import { parseScopeValue, Scopes } from './scopes.ts';
import { type SimulatedNode, timings } from './simulated-node.ts';

/** What the hollow nodes of one process share. */
export interface SimulatedHerdOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How fast WAL grows on every instance; while it grows, members write their positions. */
  readonly walBytesPerSecond?: number;
  readonly random?: () => number;
}

const leaseSeconds = 30;
const tickMs = 1000;
const firstWalPosition = 0x3000000;
const firstPort = 20_000;
const portPairs = 20_000;
const epochMs = Date.UTC(2026, 0, 1);

/**
 * Plays the Patroni of all hollow nodes in this process: thousands of them on one watch, one lease, one timer, and
 * transactions that take the writes of many. What others see are Patroni's keys and their changes, with one difference:
 * the keys of a node that crashed are deleted when its ttl has passed, where Patroni's would go with their own lease.
 */
export class SimulatedHerd {
  readonly clock: Clock;
  /** For the agents of the herd's cells, so that their writes go along. */
  readonly commit: GroupCommit;
  readonly #options: SimulatedHerdOptions;
  readonly #scopes = new Scopes();
  readonly #informer: Informer<string>;
  readonly #controller: Controller;
  readonly #nodes = new Map<InstanceId, Map<NodeId, SimulatedNode>>();
  readonly #cells = new Map<string, Map<NodeId, SimulatedNode>>();
  readonly #expiries: Expiries;
  #lease: Lease | undefined;
  #placed = 0;

  constructor(options: SimulatedHerdOptions) {
    this.#options = options;
    const { store, clock, logger } = options;
    this.clock = clock;
    this.commit = new GroupCommit(store);
    const isAlive = ({ instance, node }: SimulatedNode) => this.#nodes.get(instance)?.has(node) ?? false;
    this.#expiries = new Expiries({ clock, logger, commit: this.commit, scopes: this.#scopes, isAlive });
    // Of no interest to those who watch the agents of this process.
    const metrics = new EngineMetrics(new Registry());
    const range = prefixRange(servicePrefix);
    const parse = parseScopeValue;
    const informer = new Informer({
      name: 'simulated',
      store,
      range,
      parse,
      clock,
      logger,
      metrics: metrics.informers,
    });
    this.#informer = informer;
    this.#controller = new Controller({
      name: 'simulated',
      reconcile: (key, { signal }) => this.#converge(key as InstanceId, signal),
      concurrency: 256,
      maxDelayMs: 10_000,
      clock,
      logger,
      metrics: metrics.controllers,
    });
    informer.onChange((change) => {
      const instance = this.#scopes.apply(change);
      if (instance && this.#nodes.has(instance)) this.#controller.enqueue(instance);
    });
  }

  /** Plays until the signal aborts; then all keys of the nodes are gone. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, clock, logger } = this.#options;
    const onTrouble = (err: unknown) => logger.warn({ err }, 'lease of the simulated nodes lost');
    const keeping = {
      ...{ clock, ttlSeconds: leaseSeconds, onTrouble },
      obtain: (until: AbortSignal) => store.lease(leaseSeconds, { signal: until }),
      letGo: (lease: Lease) => releaseLease(lease, clock, onTrouble),
    };
    await Promise.all([
      this.#informer.run(signal),
      keepLease(keeping, signal, async (lease, held) => this.#hold(lease, held)),
      this.#informer.whenSynced(signal).then(
        () => this.#controller.run(signal),
        () => {},
      ),
      this.#beat(signal),
    ]);
    this.#expiries.cancel();
  }

  /** The nodes of the cell with this address; they outlive its agent. */
  cell(address: string): Map<NodeId, SimulatedNode> {
    const nodes = this.#cells.get(address) ?? new Map<NodeId, SimulatedNode>();
    this.#cells.set(address, nodes);
    return nodes;
  }

  /** The first of two ports that no node has had for long. */
  nextPort(): number {
    this.#placed += 1;
    return firstPort + 2 * (this.#placed % portPairs);
  }

  /** The node's processes were started. */
  join(node: SimulatedNode): void {
    const nodes = this.#nodes.get(node.instance) ?? new Map<NodeId, SimulatedNode>();
    this.#nodes.set(node.instance, nodes.set(node.node, node));
    this.#controller.enqueue(node.instance);
  }

  /** The node was stopped in order: a leader lets go of its key if somebody can take over. */
  async leave(node: SimulatedNode): Promise<void> {
    this.#forget(node);
    if (!this.#lease) return;
    const writes = leave(node, this.#scopes.get(node.instance), this.#lease.id);
    await Promise.all(writes.map((write) => this.commit.commit(write)));
    this.#expiries.begin(node);
  }

  /** The node crashed: its keys stay until its ttl has passed, or until somebody proves that it is dead. */
  crash(node: SimulatedNode): void {
    this.#forget(node);
    this.#expiries.begin(node);
  }

  #forget({ instance, node }: SimulatedNode): void {
    const nodes = this.#nodes.get(instance);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#nodes.delete(instance);
  }

  #hold(lease: Lease, held: AbortSignal): void {
    this.#lease = lease;
    held.addEventListener('abort', () => {
      this.#lease = undefined;
      for (const nodes of this.#nodes.values()) {
        for (const node of nodes.values()) if (node.role === 'master') node.role = 'replica';
      }
    });
    for (const instance of this.#nodes.keys()) this.#controller.enqueue(instance);
  }

  async #converge(instance: InstanceId, signal: AbortSignal): Promise<Result> {
    for (;;) {
      const nodes = [...(this.#nodes.get(instance)?.values() ?? [])];
      const step = this.#lease && decideScope(this.#view(instance, nodes, this.#lease));
      if (!step) {
        for (const node of nodes) this.#tell(node);
        return {};
      }
      const { succeeded, revision } = await this.commit.commit(step);
      for (const [node, role] of succeeded ? step.roles : []) {
        node.role = role;
        node.hasData = true;
      }
      await this.#informer.reached(revision, signal);
      // Somebody was faster: what he changed is on its way.
      if (!succeeded) return { requeueAfterMs: 500 };
    }
  }

  #view(instance: InstanceId, nodes: readonly SimulatedNode[], { id: leaseId }: Lease): ScopeView {
    const now = new Date(this.clock.now()).toISOString();
    const { random = Math.random } = this.#options;
    return {
      instance,
      keys: this.#scopes.get(instance),
      nodes,
      leaseId,
      walPosition: this.#walPosition(),
      now,
      random,
    };
  }

  #tell(node: SimulatedNode): void {
    const { instance, role } = node;
    const leads = role === 'master' && this.#scopes.get(instance).leader?.name === node.node;
    const status: PatroniStatus = {
      state: role === 'uninitialized' ? 'starting' : 'running',
      role,
      pendingRestart: false,
      streaming: leads ? this.#scopes.followers(instance) : undefined,
    };
    if (isDeepStrictEqual(status, node.status)) return;
    node.status = status;
    node.onStatus();
  }

  /** The same everywhere at any time, so that members in several processes agree. */
  #walPosition(): number {
    const { walBytesPerSecond = 1024 } = this.#options;
    return firstWalPosition + Math.floor(((this.clock.now() - epochMs) / 1000) * walBytesPerSecond);
  }

  /** Every loop_wait members write where their WAL is, each instance at a second of its own. */
  async #beat(signal: AbortSignal): Promise<void> {
    for (let tick = 0; !signal.aborted; tick += 1) {
      await this.clock.sleep(tickMs, signal).catch(() => {});
      if (signal.aborted || !this.#lease || this.#options.walBytesPerSecond === 0) continue;
      let at = 0;
      for (const [instance, nodes] of this.#nodes) {
        const [first] = nodes.values();
        at += 1;
        if (!first || (tick + at) % timings(first.configuration).loopWait !== 0) continue;
        const scope = this.#scopes.get(instance);
        const write = heartbeat([...nodes.values()], scope, this.#lease.id, this.#walPosition());
        this.commit.commit(write).catch((error: unknown) => {
          this.#options.logger.debug({ err: error, instance }, 'heartbeat lost');
        });
      }
    }
  }
}
