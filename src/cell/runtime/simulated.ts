import type { NodeId } from '../../schema/ids.ts';
import { type NodeOrder, type NodeSight, type Proof, type Readiness, type Runtime, ready } from './runtime.ts';
import type { SimulatedHerd } from './simulated/simulated-herd.ts';
import type { SimulatedNode } from './simulated/simulated-node.ts';

/**
 * Runs hollow nodes: Patroni's keys without PostgreSQL, to see what the rest of pgherd does with thousands of nodes.
 * Nobody can connect to them. What is played lives in the `SimulatedHerd`, which outlives an agent as processes do.
 */
export class SimulatedRuntime implements Runtime {
  readonly name = 'simulated';
  readonly problem = undefined;
  // Hollow nodes are as good as any.
  readonly postgresqlVersions = ['13', '14', '15', '16', '17', '18'];
  readonly takesImages = true;
  readonly #herd: SimulatedHerd;
  readonly #address: string;
  readonly #nodes: Map<NodeId, SimulatedNode>;
  /** Nodes whose data were put aside. */
  readonly trash: NodeId[] = [];
  #handler: (node: NodeId) => void = () => {};

  /** `address` tells the cells of a herd apart. */
  constructor(herd: SimulatedHerd, address: string) {
    this.#herd = herd;
    this.#address = address;
    this.#nodes = herd.cell(address);
  }

  async adopt(): Promise<void> {
    for (const here of this.#nodes.values()) this.#follow(here);
  }

  run(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  onChange(handler: (node: NodeId) => void): void {
    this.#handler = handler;
  }

  nodes(): Iterable<NodeId> {
    return this.#nodes.keys();
  }

  see(node: NodeId): NodeSight {
    const here = this.#nodes.get(node);
    if (!here) return { state: 'absent' };
    const { instance, specHash, state, ports, status, unexpected } = here;
    if (state === 'running')
      return { state, instance, specHash, ports, patroni: status, directory: '', complete: true };
    return state === 'ended'
      ? { state, instance, specHash, unexpected, complete: true }
      : { state, instance, specHash };
  }

  async readiness(): Promise<Readiness> {
    return ready;
  }

  async start({ assignment }: NodeOrder): Promise<void> {
    const here = this.#nodes.get(assignment.node) ?? this.#place(assignment);
    here.specHash = assignment.spec_hash;
    here.configuration = assignment.dynamic_configuration;
    here.state = 'running';
    here.role = 'uninitialized';
    here.status = undefined;
    this.#follow(here);
    this.#herd.join(here);
  }

  #place({ instance, node, spec_hash, dynamic_configuration }: NodeOrder['assignment']): SimulatedNode {
    const port = this.#herd.nextPort();
    const here: SimulatedNode = {
      instance,
      node,
      ports: { postgresql: `${this.#address}:${port}`, patroni: `${this.#address}:${port + 1}` },
      specHash: spec_hash,
      state: 'stopped',
      unexpected: undefined,
      configuration: dynamic_configuration,
      hasData: false,
      role: 'uninitialized',
      status: undefined,
      onStatus: () => {},
    };
    this.#nodes.set(node, here);
    return here;
  }

  #follow(here: SimulatedNode): void {
    here.onStatus = () => this.#handler(here.node);
  }

  async stop(node: NodeId): Promise<void> {
    const here = this.#nodes.get(node);
    if (here?.state !== 'running') return;
    here.state = 'ended';
    here.unexpected = undefined;
    await this.#herd.leave(here);
  }

  /** Ends the node as a crash would. */
  crash(node: NodeId): void {
    const here = this.#nodes.get(node);
    if (here?.state !== 'running') return;
    here.state = 'ended';
    here.unexpected = 'it was crashed';
    this.#herd.crash(here);
    this.#handler(node);
  }

  async prove(): Promise<Proof> {
    return 'proven';
  }

  async settle(node: NodeId): Promise<void> {
    const here = this.#nodes.get(node);
    if (here?.state === 'ended') here.state = 'stopped';
  }

  async restartPending(): Promise<void> {}

  async complete(): Promise<void> {}

  async putDataAside(): Promise<boolean> {
    return false;
  }

  async erase(node: NodeId): Promise<void> {
    this.#nodes.delete(node);
  }

  async discard(node: NodeId): Promise<void> {
    if (this.#nodes.delete(node)) this.trash.push(node);
  }
}
