import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { EtcdStore } from '../../src/store/etcd.ts';
import type { Daemon } from '../fixtures/process.ts';
import { commandLine } from '../fixtures/processes.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import type { WriteGate } from '../fixtures/write-gate.ts';
import { Writer } from '../fixtures/writer.ts';

interface Instance {
  readonly allocated_port: number;
  readonly nodes: readonly { readonly node_id: string; readonly backend_id: string }[];
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  readonly last_operation: unknown;
  readonly accepted: unknown;
}

describe('killing the controller after every write, on real Patroni under write load', function () {
  this.timeout(600_000);
  let herd: Herd;
  let writer: Writer;
  let port: number;

  const document = (nodes: number) => ({ plan: 'test', parameters: { 'node-count': nodes } });
  const state = async (id: string): Promise<Instance> => {
    const [[, text] = []] = await herd.pairs(`/service/${id}/state`);
    return JSON.parse(text as string);
  };

  /** All that etcd says of an instance but Patroni's history and what hangs on its leases, without what chance decides. */
  const shape = async (id: string) => {
    const { nodes, conditions, last_operation, accepted } = await state(id);
    const nameless = (text: string): string =>
      nodes
        .reduce((rest, { node_id }) => rest.replaceAll(node_id, 'NODE'), text)
        .replaceAll(/\bcell-\d\b/g, 'CELL')
        .replaceAll(new RegExp(`\\b${id}\\b`, 'g'), 'ID');
    const pairs = (await herd.pairs('/')).filter(([key]) => new RegExp(`[/-]${id}\\b`).test(key));
    return {
      nodes: nodes.length,
      cells: new Set(nodes.map(({ backend_id }) => backend_id)).size,
      conditions: conditions.map(({ type, status, reason }) => [type, status, reason]),
      last_operation,
      accepted,
      keys: pairs
        .map(([key]) => nameless(key))
        .filter((key) => !/\/(history|failover|status)$|\/members\//.test(key))
        .sort(),
      orders: pairs.filter(([key]) => key.startsWith('/cells/assignments/')).map(([, value]) => nameless(value)),
    };
  };
  const noOrphans = async (): Promise<void> => {
    const all = await Promise.all(['f1', 'two'].map(state));
    const nodes = all.flatMap((each) => each.nodes);
    const ids = nodes.map(({ node_id }) => node_id);
    for (const { name } of herd.cells) {
      const own = nodes.filter(({ backend_id }) => backend_id === name).map(({ node_id }) => node_id);
      expect(readdirSync(join(herd.dir, name, 'nodes')), name).to.have.members(own);
    }
    const running = herd.processes().flatMap((pid) => /\/nodes\/([^/]+)\//.exec(commandLine(pid))?.[1] ?? []);
    expect([...new Set(running)]).to.have.members(ids);
  };
  /** What its lease would do in 15 s: the test knows that it is dead. */
  const forgetLeader = async (): Promise<void> => {
    const store = new EtcdStore({ endpoints: [herd.etcd.endpoint] });
    await store.txn({ if: [], then: [{ type: 'delete', key: '/pgherd/leader' }] });
    await store.close();
  };

  const put = async (nodes: number): Promise<void> => {
    const { code, stderr } = await herd.try(['apply', '--id', 'f1', '-f', '-'], JSON.stringify(document(nodes)));
    expect(code, stderr).to.equal(0);
  };
  /** Scales f1 up with a controller that is killed after its k-th write; resolves with whether it came to that. */
  const scaleUp = async (k: number): Promise<boolean> => {
    const [controller] = herd.controllers as [Daemon];
    const gate = herd.gate as WriteGate;
    const shut = gate.shutAfter(k);
    await put(2);
    const wasShut = await Promise.race([shut, herd.ready('f1').then(() => false)]);
    if (wasShut) {
      await controller.end('SIGKILL');
      await forgetLeader();
    }
    gate.open();
    if (wasShut) controller.start();
    await herd.ready('f1');
    return wasShut;
  };

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 27300, network: 71, gated: true });
    await Promise.all([herd.apply('f1', document(1)), herd.apply('two', document(2))]);
    port = (await state('f1')).allocated_port;
    writer = await new Writer(await herd.uri('f1')).start();
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('ends as a fresh create ends, with every acknowledged write, whichever write of a scale-up was its last', async () => {
    const fresh = await shape('two');
    for (let k = 1, wasKilled = true; wasKilled; k++) {
      wasKilled = await scaleUp(k);
      expect(await shape('f1'), `killed after write ${k}`).to.deep.equal(fresh);
      await noOrphans();
      expect((await state('f1')).allocated_port).to.equal(port);
      expect(await writer.lost()).to.deep.equal([]);
      await herd.apply('f1', document(1));
    }
    await noOrphans();
    await until('members that are gone are forgotten', async () => {
      const { nodes } = await state('f1');
      return (await herd.keys('/service/f1/members/')).length === nodes.length;
    });
  });
});
