import { expect } from 'chai';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { Writer } from '../fixtures/writer.ts';

interface State {
  readonly allocated_port: number;
  readonly leader?: string;
  readonly nodes: { readonly node_id: string; readonly backend_id: string }[];
}

describe('changing, deleting and losing etcd, on real etcd, Patroni, PostgreSQL and HAProxy', function () {
  this.timeout(180_000);
  let herd: Herd;
  const document = { plan: 'test', parameters: { 'node-count': 2, 'deletion-grace': '1h' } };

  const state = async (): Promise<State> => JSON.parse(await herd.run('get', 'instances', 'f1', '-o', 'json')).state;

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 26600, network: 45 });
    await herd.apply('f1', document);
  });
  after(() => herd?.stop());

  it('restores every acknowledged write on the same nodes and port when a deletion under load is undone', async () => {
    const before = await state();
    const uri = await herd.uri('f1');
    const writer = await new Writer(uri, { everyMs: 10 }).start();
    await writer.nextAck();
    expect(await herd.run('delete', 'f1', '--yes', '--wait')).to.include('`pgherd undelete f1`');
    await writer.stop();
    expect(await herd.run('get', 'deleted')).to.match(/f1 +test +\d+ +Kept +\d+s +59m/);
    for (const { node_id } of before.nodes) expect(herd.processesOf(node_id)).to.deep.equal([]);
    await herd.run('undelete', 'f1');
    await herd.ready('f1');
    const after = await state();
    expect(after.allocated_port).to.equal(before.allocated_port);
    expect(after.nodes).to.deep.equal(before.nodes);
    expect(await herd.uri('f1')).to.equal(uri);
    expect(await writer.lost()).to.deep.equal([]);
  });
});
