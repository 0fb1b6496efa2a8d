import { expect } from 'chai';
import { says, stateOf } from '../fixtures/observed-state.ts';
import { OperatingPage } from '../fixtures/operating-page.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

describe('stopping, restarting and moving what is in service, under write load', function () {
  this.timeout(240_000);
  let herd: Herd;
  const writers = new Map<string, Writer>();
  const parameters = { 'node-count': 2 };
  /** Of f3, whose restart is waited for beside everything else. */
  let opensAt: Date;
  let restarted: Promise<void>;

  const stopped = (node: string) =>
    until(`${node} to stop`, () => herd.processesOf(node).length === 0, { withinMs: 60_000 });
  const nothingLost = async (id: string) => {
    const writer = writers.get(id) as Writer;
    await writer.nextAck();
    expect(await writer.lost()).to.deep.equal([]);
  };
  const replicaOf = async (id: string): Promise<string> => {
    const { leader, nodes } = await stateOf(herd, id);
    return nodes.find(({ node_id }) => node_id !== leader)?.node_id as string;
  };
  const nodesPerCell = async (): Promise<number[]> =>
    Promise.all(herd.cells.map(async ({ name }) => (await herd.keys(`/cells/assignments/${name}/`)).length));

  const fenceReplica = async (page: OperatingPage, replica: string) => {
    const before = await stateOf(herd, 'f1');
    await page.run("fence f1-bcdfgh --reason 'slow queries'");
    await stopped(replica);
    await says(herd, 'f1', 'Running', 'Fenced');
    expect(await page.run('describe f1')).to.match(
      new RegExp(`${replica} on cell-\\d is fenced[\\s\\S]*pgherd unfence`),
    );
    await nothingLost('f1');
    await page.run('unfence f1-bcdfgh');
    await page.run('wait f1');
    const after = await stateOf(herd, 'f1');
    expect([after.nodes, after.leader]).to.deep.equal([before.nodes, before.leader]);
    await nothingLost('f1');
  };
  const hibernate = async (page: OperatingPage) => {
    const { nodes, allocated_port } = await stateOf(herd, 'f2');
    const uri = await herd.uri('f2');
    await page.run('hibernate f2');
    await page.run('wait f2 --for=Hibernated');
    for (const { node_id } of nodes) expect(herd.processesOf(node_id)).to.deep.equal([]);
    expect(await page.run('get instances f2')).to.match(/f2 +test +2 +0\/2 +Hibernated/);
    await page.run('wake f2');
    await page.run('wait f2');
    const woken = await stateOf(herd, 'f2');
    expect([woken.nodes, woken.allocated_port]).to.deep.equal([nodes, allocated_port]);
    expect(await herd.uri('f2'), 'the same password').to.equal(uri);
    await nothingLost('f2');
  };

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 29500, network: 65 });
    const ids = ['f1', 'f2', 'f3'];
    await Promise.all(ids.map((id) => herd.apply(id, { plan: 'test', parameters })));
    for (const id of ids) writers.set(id, await new Writer(await herd.uri(id)).start());
  });
  after(async () => {
    await Promise.all([...writers.values()].map((each) => each.stop()));
    await restarted?.catch(() => undefined);
    await herd?.stop();
  });

  it('says when a restart will happen that waits for its maintenance window', async () => {
    const window = nextWindow();
    opensAt = window.opensAt;
    const changed = { 'maintenance-windows': [window.spec], postgresql: { max_connections: 45 } };
    const document = JSON.stringify({ plan: 'test', parameters: { ...parameters, ...changed } });
    const applied = await herd.try(['apply', '--id', 'f3', '-f', '-'], document);
    expect(applied.code, applied.stderr).to.equal(0);
    const { message } = await says(herd, 'f3', 'Running', 'OutsideWindow');
    expect(message).to.include(
      `the next restart waits for the maintenance window that opens at ${opensAt.toISOString()}`,
    );
    expect(await herd.run('describe', 'f3')).to.include('Next: the restart begins in the window.');
    restarted = herd.ready('f3');
    restarted.catch(() => undefined);
  });

  it('stops a replica that is fenced, and an instance that hibernates, and takes both up again as they were', async () => {
    const replica = await replicaOf('f1');
    const page = new OperatingPage(herd, 'stopping.md', { 'f1-bcdfgh': replica });
    await Promise.all([fenceReplica(page, replica), hibernate(page)]);
    page.end();
  });

  it('lets a leader that is fenced hand over first, and loses no write of a client', async () => {
    const { leader, nodes } = await stateOf(herd, 'f1');
    const successor = await replicaOf('f1');
    expect(await herd.run('fence', leader as string)).to.include('it leads, so another node takes over first');
    await stopped(leader as string);
    expect((await herd.pairs('/service/f1/leader'))[0]?.[1]).to.equal(successor);
    expect((await herd.run('get', 'events', 'f1')).match(/leadership is to go from .*/)?.[0]).to.include(
      `to ${successor}`,
    );
    await nothingLost('f1');
    await herd.run('unfence', leader as string);
    await herd.ready('f1');
    expect((await stateOf(herd, 'f1')).nodes).to.deep.equal(nodes);
    await nothingLost('f1');
  });

  it('restarts within the window, one node after the other, and loses no write', async () => {
    await restarted;
    const { conditions } = await stateOf(herd, 'f3');
    const readySince = conditions.find(({ type }) => type === 'Ready')?.since ?? '';
    expect(Date.parse(readySince)).to.be.greaterThan(opensAt.getTime());
    await nothingLost('f3');
  });

  it('empties a cell, and fills it again by moving replicas, as many as are asked for', async () => {
    const page = new OperatingPage(herd, 'drain.md');
    expect(await page.run("drain cell-1 --deadline 1h --reason 'new kernel'")).to.include('cell-1 is drained');
    expect(await nodesPerCell()).to.deep.equal([0, 3, 3]);
    await page.run('uncordon cell-1');
    await Promise.all(['f1', 'f2', 'f3'].map((id) => herd.ready(id)));
    const leaders = async () => {
      const states = await Promise.all(['f1', 'f2', 'f3'].map((id) => stateOf(herd, id)));
      return states.map(({ nodes, leader }) => nodes.find(({ node_id }) => node_id === leader)?.backend_id);
    };
    // Where all leaders are on one cell, less can be moved.
    if (new Set(await leaders()).size === 1) {
      await herd.run('switchover', 'f1', '--wait');
      await herd.ready('f1');
    }
    const before = await leaders();
    expect((await page.run('rebalance --dry-run')).match(/ cell-1$/gm)).to.have.length(2);
    expect(await nodesPerCell(), 'after --dry-run').to.deep.equal([0, 3, 3]);
    expect(await herd.run('rebalance', '--budget', '1')).to.match(/1 moved/);
    expect((await nodesPerCell()).sort()).to.deep.equal([1, 2, 3]);
    await Promise.all(['f1', 'f2', 'f3'].map((id) => herd.ready(id)));
    expect(await page.run('rebalance --budget 10')).to.match(/1 moved/);
    expect(await nodesPerCell()).to.deep.equal([2, 2, 2]);
    expect(await leaders(), 'leaders stay').to.deep.equal(before);
    expect(await page.run('rebalance --dry-run')).to.include('nothing to move');
    await page.run('cordon cell-1');
    page.end();
    for (const id of ['f1', 'f2', 'f3']) await nothingLost(id);
  });
});

/** The next minute that leaves time to see what is said before it. */
function nextWindow() {
  const opensAt = new Date(Math.ceil((Date.now() + 25_000) / 60_000) * 60_000);
  const cron = `${opensAt.getUTCMinutes()} ${opensAt.getUTCHours()} * * *`;
  return { opensAt, spec: { cron, duration: '30m' } };
}
