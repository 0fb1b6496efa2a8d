import { expect } from 'chai';
import { stateOf } from '../fixtures/observed-state.ts';
import { OperatingPage } from '../fixtures/operating-page.ts';
import { PatroniCluster } from '../fixtures/patroni-cluster.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { sql } from '../fixtures/sql.ts';
import { tracesOf } from '../fixtures/traces.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

describe('adopting a Patroni cluster that pgherd never made', function () {
  this.timeout(180_000);
  const scope = 'legacy';
  let herd: Herd;
  let patroni: PatroniCluster;
  /** Writes before pgherd knows of the cluster and until after it has forgotten it. */
  let owner: Writer;
  /** Writes through the public port. */
  let client: Writer;
  let page: OperatingPage;
  let pids: number[];
  let port: number;

  const uri = () => `postgres://postgres@127.0.0.1:${port}/postgres`;
  /** What the owners of the cluster have in etcd, but for what Patroni itself rewrites all the time. */
  const theirs = async () => {
    const all = await herd.pairs(`/service/${scope}/`);
    return all.filter(([key]) => /\/(initialize|config)$/.test(key));
  };
  const isPatronis = (trace: string) => /^\/service\/legacy\/(?!state)/.test(trace);
  const ours = async () => (await tracesOf(herd, scope)).filter((trace) => !isPatronis(trace));
  /** Waits until the public port leads to this member. */
  const leadsTo = async (member: string) => {
    const data = patroni.dataOf(member);
    const look = async () =>
      (await sql<{ data_directory: string }>(uri(), 'show data_directory').catch(() => []))[0]?.data_directory === data;
    await until(`port ${port} leads to ${member}`, look, { withinMs: 60_000, everyMs: 100 });
  };
  const standby = async () => {
    const [[, text = '{}'] = []] = await herd.pairs(`/service/${scope}/sync`);
    return JSON.parse(text).sync_standby;
  };

  before(async () => {
    herd = await startHerd({ cells: 1, firstPort: 29300, network: 63, controllerArgs: ['--port-quarantine', '1h'] });
    patroni = await PatroniCluster.start({ hosts: `${herd.etcd.host}:${herd.etcd.port}` }, scope);
    page = new OperatingPage(herd, 'adopting.md');
    await Promise.all([patroni.healthy(), herd.apply('f1', { plan: 'test', parameters: { 'node-count': 1 } })]);
    // Without it a leader that is killed may take its last writes along, whoever routes to it.
    await patroni.ask('PATCH', '/config', { synchronous_mode: true });
    await until('a synchronous standby', standby);
    owner = await new Writer(patroni.uris(), { table: 'theirs' }).start();
    pids = patroni.pids().sort();
  });
  after(async () => {
    await Promise.all([owner?.stop(), client?.stop()]);
    await patroni?.stop();
    await herd?.stop();
  });

  it('gives it a document, a state and a port, without touching a process, a key or a write of it', async () => {
    const before = await theirs();
    expect(await page.run('adopt legacy --dry-run')).to.match(/^plan: test\nadopted: true\n/);
    expect(await ours()).to.deep.equal([]);
    expect(await page.run('adopt legacy')).to.match(/legacy is adopted with 3 members, \w+ leads/);
    await page.run('wait legacy');
    const { allocated_port, nodes } = await stateOf(herd, scope);
    port = allocated_port as number;
    expect(nodes).to.deep.equal([]);
    await leadsTo(await patroni.healthy());
    await owner.nextAck();
    expect(patroni.pids().sort()).to.deep.equal(pids);
    expect(await theirs()).to.deep.equal(before);
    expect(await herd.keys('/cells/assignments/cell-1/legacy')).to.deep.equal([]);
    const described = await page.run('describe legacy');
    expect(described)
      .to.include('others placed its members')
      .and.to.match(/Members: +one \(running\), /);
  });

  it('says where to connect and that it does not know the accounts', async () => {
    const { code, stderr } = await herd.try(['uri', scope]);
    expect(code).to.equal(1);
    expect(stderr).to.include(`127.0.0.1:${port}`).and.to.include('adopted');
  });

  it('refuses what is managed already, by adoption or because pgherd made it, and what is not there', async () => {
    for (const [id, why] of [
      [scope, 'is managed already'],
      ['f1', 'is managed already'],
      ['nobody', 'there is no Patroni cluster of scope nobody'],
    ] as const) {
      const { code, stderr } = await herd.try(['adopt', id]);
      expect(code).to.equal(1);
      expect(stderr).to.include(why);
    }
  });

  it('refuses to hibernate it', async () => {
    const { code, stderr } = await herd.try(['hibernate', scope]);
    expect([code, stderr]).to.deep.equal([
      1,
      'pgherd: instance legacy was adopted: pgherd does not stop what others run\n',
    ]);
  });

  it('follows a switchover that patronictl made, and the death of the leader, without losing a write', async () => {
    client = await new Writer(uri(), { table: 'clients' }).start();
    const first = await patroni.healthy();
    const second = (await standby()) as string;
    await patroni.patronictl('switchover', '--master', first, '--candidate', second, '--force');
    await patroni.healthy(2, (name) => name === second);
    await leadsTo(second);
    await client.nextAck();
    await until('a synchronous standby', async () => (await standby()) !== second && (await standby()));
    patroni.kill(second);
    const third = await patroni.healthy(1, (name) => name !== second);
    await leadsTo(third);
    await client.nextAck();
    patroni.run(second);
    await patroni.healthy();
    await herd.ready(scope);
    expect(await client.lost()).to.deep.equal([]);
    pids = patroni.pids().sort();
  });

  it('keeps the port open while a deletion can be undone, and forgets all but the port when it is purged', async () => {
    const before = await theirs();
    expect(await page.run('delete legacy --yes --wait')).to.include('its members run on');
    expect(await herd.run('get', 'deleted')).to.match(/legacy +test +\d+ +Kept/);
    await client.nextAck();
    expect(await page.run('undelete legacy')).to.include(`on port ${port}`);
    await page.run('wait legacy');
    expect((await stateOf(herd, scope)).allocated_port).to.equal(port);

    expect(await page.run('delete legacy --yes --purge --wait')).to.include('legacy deleted');
    expect(await ours(), 'the port is in quarantine').to.deep.equal([`/routing/ports/${port}`]);
    await until(
      'the port to be closed',
      async () => (await sql(uri(), 'select 1').catch(() => undefined)) === undefined,
    );
    await owner.nextAck();
    expect(patroni.pids().sort()).to.deep.equal(pids);
    expect(await theirs()).to.deep.equal(before);
    await patroni.healthy();
    expect(await owner.lost()).to.deep.equal([]);
    page.end();
  });
});
