import { expect } from 'chai';
import { decideBindings, type NodeBindings } from '../../../src/controller/decide/registrar.ts';
import { parseBindingKey } from '../../../src/schema/binding.ts';
import type { CellId, NodeId } from '../../../src/schema/ids.ts';
import { observedKey } from '../../../src/schema/observed-node.ts';
import { herdWithF1 } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

/** The registrar keys of the node, as a list of all pairs shows them. */
function bindingsOf({ world }: Simulation, node: string): NodeBindings {
  const view = world.view('f1');
  const bindings = world.pairs().flatMap((entry) => {
    const name = parseBindingKey(entry.key);
    return name?.node === node ? [{ name, entry, onLease: entry.leaseId !== 0n }] : [];
  });
  return {
    bindings,
    observed: view.nodes.find(({ id }) => id === node)?.observed ?? [],
    cellsNamed: (hostname) =>
      [...view.herd.cells.values()].filter(
        ({ registration }) => registration?.ok && registration.value.hostname === hostname,
      ),
  };
}

const keyOf = (host: string, node: string, port = 5432) => `/postgresql-patroni/${host}:cf-${node}:${port}`;

describe('decideBindings()', () => {
  let simulation: Simulation;
  let node: NodeId;
  let cell: CellId;
  beforeEach(() => {
    simulation = herdWithF1({ 'node-count': 1 });
    const [first] = simulation.world.state('f1').nodes;
    node = first?.node_id as NodeId;
    cell = first?.backend_id as CellId;
  });
  const deleted = () => decideBindings(bindingsOf(simulation, node)).ops.map((op) => 'key' in op && op.key);

  it('leaves the keys that observed ports say', () => {
    expect(simulation.world.keys('/postgresql-patroni/')).to.have.length(2);
    expect(deleted()).to.deep.equal([]);
  });

  it('removes a key with a port that the node does not have any more: somebody else may answer there', () => {
    simulation.world.put(keyOf(`${cell}.test`, node), '127.0.0.1:1');
    expect(deleted()).to.deep.equal([keyOf(`${cell}.test`, node)]);
  });

  it('removes the keys of a node that is not there', () => {
    simulation.world.delete(observedKey(cell, node));
    expect(deleted()).to.have.length(2);
  });

  it('removes a key of the node on another cell', () => {
    const other = simulation.cells().find((each) => each !== cell) as CellId;
    simulation.world.put(keyOf(`${other}.test`, node), '127.0.0.1:1');
    expect(deleted()).to.deep.equal([keyOf(`${other}.test`, node)]);
  });

  it('removes a key of a host that nobody has, if no lease will', () => {
    simulation.world.put(keyOf('gone.test', node), '127.0.0.1:1');
    expect(deleted()).to.deep.equal([keyOf('gone.test', node)]);
    const leaseId = simulation.world.keyspace.grant();
    const put = { type: 'put' as const, key: keyOf('gone.test', node), value: '127.0.0.1:1', leaseId };
    simulation.world.keyspace.txn({ if: [], then: [put] });
    expect(deleted()).to.deep.equal([]);
  });

  it('leaves the keys of a node whose report cannot be read', () => {
    simulation.world.put(observedKey(cell, node), 'x');
    expect(deleted()).to.deep.equal([]);
  });

  it('loses against a report that comes at the same moment', () => {
    const { world } = simulation;
    const report = world.json<{ ports: Record<string, string> }>(observedKey(cell, node));
    world.put(keyOf(`${cell}.test`, node), '127.0.0.1:1');
    const decision = decideBindings(bindingsOf(simulation, node));
    world.put(observedKey(cell, node), { ...report, ports: { ...report?.ports, 5432: '127.0.0.1:1' } });
    expect(world.commit(decision)).to.equal(false);
  });
});
