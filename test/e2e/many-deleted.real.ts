import { expect } from 'chai';
import { EtcdStore } from '../../src/store/etcd.ts';
import { says, stateOf } from '../fixtures/observed-state.ts';
import { OperatingPage } from '../fixtures/operating-page.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { tracesOf } from '../fixtures/traces.ts';
import { Writer } from '../fixtures/writer.ts';

describe('deleting many instances at once', function () {
  this.timeout(240_000);
  const ids = ['i1', 'i2', 'i3', 'i4', 'i5', 'i6', 'i7'];
  const single = { plan: 'test', parameters: { 'node-count': 1, 'memory-mb': 64 } };
  let herd: Herd;
  let page: OperatingPage;
  let writer: Writer;

  const pids = async (id: string): Promise<number[]> => {
    const { nodes } = await stateOf(herd, id);
    return nodes.flatMap(({ node_id }) => herd.processesOf(node_id)).sort();
  };
  const portOf = async (id: string): Promise<number> => (await stateOf(herd, id)).allocated_port as number;

  before(async () => {
    herd = await startHerd({ cells: 2, firstPort: 29700, network: 67, controllerArgs: [] });
    const brief = { ...single, parameters: { ...single.parameters, 'deletion-grace': '5s' } };
    const documents = ids.map((id) => [id, id === 'i7' ? brief : single] as const);
    await Promise.all([
      ...documents.map(([id, document]) => herd.apply(id, document)),
      herd.apply('kept', { ...single, 'deletion-protection': true }),
    ]);
    writer = await new Writer(await herd.uri('i6')).start();
    page = new OperatingPage(herd, 'many-deleted.md');
  });
  after(async () => {
    await writer?.stop();
    await herd?.stop();
  });

  it('holds those beyond five within ten minutes: they run on, take writes, and say what to do', async () => {
    await Promise.all(ids.slice(0, 5).map((id) => herd.run('delete', id, '--yes', '--wait')));
    const before = [await pids('i6'), await pids('i7')];
    await Promise.all(['i6', 'i7'].map((id) => herd.run('delete', id, '--yes')));
    const { message } = await says(herd, 'i6', 'Deleting', 'Held');
    await says(herd, 'i7', 'Deleting', 'Held');
    expect(message).to.include('`pgherd undelete i6`').and.to.include('`pgherd confirm-deletions`');
    expect(await page.run('get deleted')).to.match(/i5 .*Kept[\s\S]*i6 .*Held[\s\S]*i7 .*Held/);
    expect(await herd.run('get', 'deleted', '-o', 'name')).to.equal(ids.map((id) => `${id}\n`).join(''));
    expect(await page.run('status')).to.include(
      'i6: Held, runs on: `pgherd undelete i6` or `pgherd confirm-deletions`',
    );
    expect(await page.run('describe i6')).to.match(/To unblock: `pgherd undelete i6`, or `pgherd confirm-deletions`/);
    await writer.nextAck();
    expect([await pids('i6'), await pids('i7')], 'the same processes').to.deep.equal(before);
    for (const id of ids.slice(0, 5)) expect(await pids(id)).to.deep.equal([]);
  });

  it('gives one of them back without a restart, and holds it again when it is deleted again', async () => {
    const before = await pids('i6');
    await page.run('undelete i6');
    await page.run('wait i6');
    await writer.nextAck();
    expect(await pids('i6')).to.deep.equal(before);
    await herd.run('delete', 'i6', '--yes');
    await says(herd, 'i6', 'Deleting', 'Held');
    await writer.nextAck();
    expect(await pids('i6')).to.deep.equal(before);
  });

  it('deletes what is confirmed, and after its grace leaves nothing but a port in quarantine', async () => {
    const ports = { i6: await portOf('i6'), i7: await portOf('i7') };
    expect(await page.run('confirm-deletions --yes')).to.equal('i6 confirmed\ni7 confirmed\n');
    await Promise.all([says(herd, 'i6', 'Deleting', 'Kept'), herd.run('wait', 'i7', '--for=Deleted')]);
    expect(await tracesOf(herd, 'i7')).to.deep.equal([`/routing/ports/${ports.i7}`]);
    expect(await page.run('purge i6 --yes --wait')).to.equal('i6 erased\n');
    expect(await tracesOf(herd, 'i6')).to.deep.equal([`/routing/ports/${ports.i6}`]);
    for (const port of [ports.i6, ports.i7]) {
      const [[, text] = []] = await herd.pairs(`/routing/ports/${port}`);
      const { until } = JSON.parse(text as string);
      expect(Date.parse(until) - Date.now()).to.be.within(6.9 * 86_400_000, 7 * 86_400_000);
    }
    expect(await page.run('confirm-deletions --yes')).to.equal('no deletion is held\n');
  });

  it('gives the port to nobody else meanwhile, not even to an instance of the same name', async () => {
    const taken = await herd.keys('/routing/ports/');
    await herd.apply('i6', single);
    expect(taken).to.not.include(`/routing/ports/${await portOf('i6')}`);
  });

  it('keeps a protected instance running, also when its document is deleted past pgherd', async () => {
    const before = await pids('kept');
    const refused = await herd.try(['delete', 'kept', '--yes']);
    expect([refused.code, refused.stderr]).to.match(/1,.*kept is protected/);
    const store = new EtcdStore({ endpoints: [herd.etcd.endpoint] });
    await store.txn({ if: [], then: [{ type: 'delete', key: '/serviceinstances/kept' }] });
    await store.close();
    const { message } = await says(herd, 'kept', 'Deleting', 'Protected');
    expect(message).to.include('put the document back');
    await page.run('undelete kept');
    await page.run('wait kept');
    page.end();
    expect(await pids('kept')).to.deep.equal(before);
  });
});
