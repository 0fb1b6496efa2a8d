import { assignmentsPrefix, parseAssignment, parseAssignmentKey } from '../../src/schema/assignment.ts';
import { registeredKey } from '../../src/schema/cell.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId } from '../../src/schema/ids.ts';
import { type ObservedNode, observedKey } from '../../src/schema/observed-node.ts';
import { parseObservedState, stateKey } from '../../src/schema/observed-state.ts';
import { leaderKey } from '../../src/schema/patroni.ts';
import { allocationPrefix, portsPrefix } from '../../src/schema/routing.ts';
import { keysOf, maxTxnOps, type Op, type TxnRequest, type TxnResult } from '../../src/store/store.ts';
import type { Simulation } from '../controller/support/simulation.ts';
import { claim } from './claim.ts';
import { ids } from './steps.ts';

interface Assigned {
  readonly cell: CellId;
  readonly node: NodeId;
  readonly desired: string;
  readonly hash: string;
}

/** The promises of the design as far as the key space shows them: looked at after every step and every transaction. */
export class Promises {
  readonly #simulation: Simulation;
  readonly #ports = new Map<string, string>();
  readonly #cellOf = new Map<NodeId, string>();
  /** Transactions of controllers that changed something. */
  writes = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  /** Judges a controller's transaction by what it does to the key space. */
  transaction(request: TxnRequest, apply: () => TxnResult): TxnResult {
    const isFenced = request.if.some(({ key }) => key === '/pgherd/leader');
    const isWrite = request.then.some(writesHerd);
    if (!isWrite) return apply();
    // P4: nobody but the leader writes about instances and cells.
    claim(isFenced, 'a write of the herd is fenced');
    claim(request.then.length <= maxTxnOps, 'operations of a transaction');
    claim(request.if.length <= maxTxnOps, 'comparisons of a transaction');
    const before = ids.map((id) => this.#assigned(id));
    const served = ids.map((id) => this.#newest(id));
    const result = apply();
    if (!result.succeeded) return result;
    this.writes += 1;
    for (const id of ids) if (!this.#simulation.world.text(stateKey(id as InstanceId))) this.#ports.delete(id);
    for (const [at, id] of ids.entries()) this.#judge(id, before[at] ?? [], served[at] ?? []);
    return result;
  }

  // P5: a node with data goes only while as many others as are wanted serve, never the leader; a lost one only while
  // another leads. One serving node restarts at a time.
  #judge(id: string, before: readonly Assigned[], newest: readonly NodeId[]): void {
    const { world } = this.#simulation;
    const after = this.#assigned(id);
    const state = stateOf(world.text(stateKey(id as InstanceId)) ?? '');
    if (!state.ok || state.value.deleting) return;
    const leader = world.text(leaderKey(id as InstanceId)) as NodeId | undefined;
    const leads = before.find(({ node }) => node === leader);
    const report = leads && world.json<ObservedNode>(observedKey(leads.cell, leads.node));
    const stays = (each: Assigned) => after.some(({ node, desired }) => node === each.node && desired !== 'removed');
    const staying = before.filter(stays);
    const serving = staying.filter(({ node }) => node === leader || report?.streaming?.includes(node));
    const unwell = new Set(state.value.repairs?.length ? before.map(({ node }) => node) : []);
    for (const gone of before.filter((each) => each.desired !== 'removed' && !stays(each))) {
      if (world.text(observedKey(gone.cell, gone.node)) === undefined) continue;
      claim(gone.node !== leader, `${gone.node} is removed and leads`);
      const isLost = !world.text(registeredKey(gone.cell)) || after.every(({ node }) => node !== gone.node);
      const followed = report?.streaming?.includes(gone.node) ?? false;
      if (isLost || (unwell.has(gone.node) && !followed)) {
        claim(
          serving.some(({ node }) => node === leader),
          `another leads when ${gone.node} goes`,
        );
      } else {
        const wanted = state.value.accepted?.node_count ?? 1;
        claim(serving.length >= wanted, `${wanted} nodes serve without ${gone.node}`);
      }
    }
    const restarted = before.filter((old) => {
      // What the leader last told may be older than the death of either.
      if (!this.#simulation.running.has(old.node)) return false;
      const now = after.find(({ node }) => node === old.node);
      return (
        old.desired === 'running' &&
        now?.desired === 'running' &&
        now.hash !== old.hash &&
        serving.some(({ node }) => node === old.node)
      );
    });
    claim(restarted.length <= 1, `one serving node of ${id} restarts at a time`);
    const held = newest.filter((node) => before.some((each) => each.node === node));
    if (held.length > 0) {
      claim(
        after.some(({ node, desired }) => desired !== 'removed' && held.includes(node)),
        `a good copy of ${id} stays`,
      );
    }
  }

  /** What holds at every moment. */
  look(): void {
    const { world, running } = this.#simulation;
    // P1: one port for an instance as long as it exists; no port twice.
    const ports = world.keys(allocationPrefix).map((key) => world.text(key));
    claim(new Set(ports).size === ports.length, 'no port is allocated twice');
    for (const id of ids) {
      const port = world.text(`${allocationPrefix}${id}`);
      const before = this.#ports.get(id);
      if (!world.text(stateKey(id as InstanceId))) this.#ports.delete(id);
      else if (before !== undefined) claim(port === before, `the port of ${id} stays ${before}`);
      if (port === undefined) continue;
      this.#ports.set(id, port);
      claim(world.text(`${portsPrefix}${port}`) === id, `port ${port} is that of ${id}`);
    }
    // P2: a node is on one cell for ever, an instance has one node on a cell, and nothing runs that was never assigned.
    const places = new Set<string>();
    for (const { cell, node, desired } of this.#assigned()) {
      claim((this.#cellOf.get(node) ?? cell) === cell, `${node} stays on its cell`);
      this.#cellOf.set(node, cell);
      if (desired === 'removed') continue;
      const place = `${cell} ${instanceOfNode(node)}`;
      claim(!places.has(place), `one node of an instance on ${cell}`);
      places.add(place);
    }
    for (const node of running.keys()) claim(this.#cellOf.has(node), `${node} runs and was assigned`);
    // P9: Ready is said of the leader that there is, or of none that anybody has seen since.
    for (const id of ids) {
      const state = stateOf(world.text(stateKey(id as InstanceId)) ?? '');
      if (!state.ok) continue;
      const { conditions } = state.value;
      const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
      const lacking = conditions.filter(
        ({ type, status }) =>
          ['Accepted', 'Placed', 'Running', 'LeaderElected', 'Routed'].includes(type) && status !== 'True',
      );
      if (isReady) claim(lacking.length === 0, `${id} is Ready and lacks ${lacking.map(({ type }) => type)}`);
    }
    // P11: passwords are where they belong.
    for (const key of world.keys('/pgherd/events/'))
      claim(!/password/i.test(world.text(key) ?? ''), `${key} tells no password`);
  }

  /** Nodes with the newest data, wherever they are. */
  #newest(id: string): NodeId[] {
    const copies = [...this.#simulation.data].filter(([node]) => instanceOfNode(node) === id);
    const most = Math.max(0, ...copies.map(([, amount]) => amount));
    return copies.filter(([, amount]) => amount === most && most > 0).map(([node]) => node);
  }

  #assigned(id?: string): Assigned[] {
    const { world } = this.#simulation;
    return world.keys(assignmentsPrefix).flatMap((key) => {
      const at = parseAssignmentKey(key);
      const assignment = assignmentOf(world.text(key) ?? '');
      if (!at || !assignment.ok || (id !== undefined && assignment.value.instance !== id)) return [];
      return [{ ...at, desired: assignment.value.desired, hash: assignment.value.spec_hash }];
    });
  }
}

/** Whether an operation changes anything but events and elections. */
const writesHerd = (op: Op): boolean => keysOf(op).some((key) => !key.startsWith('/pgherd/'));

/** The same texts are looked at again and again. */
function remembered<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    let parsed = known.get(text);
    if (parsed === undefined) {
      if (known.size > 500) known.clear();
      parsed = parse(text);
      known.set(text, parsed);
    }
    return parsed;
  };
}
const assignmentOf = remembered(parseAssignment);
const stateOf = remembered(parseObservedState);
