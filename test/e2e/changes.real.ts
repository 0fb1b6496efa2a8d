import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { says, stateOf } from '../fixtures/observed-state.ts';
import { OperatingPage } from '../fixtures/operating-page.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { sql } from '../fixtures/sql.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

describe('changing, deleting and losing etcd, on real etcd, Patroni, PostgreSQL and HAProxy', function () {
  this.timeout(180_000);
  let herd: Herd;
  const document = { plan: 'test', parameters: { 'node-count': 2, 'deletion-grace': '1h' } };

  const state = () => stateOf(herd, 'f1');

  before(async () => {
    herd = await startHerd({ cells: 3, firstPort: 26600, network: 45 });
    await herd.apply('f1', document);
  });
  after(() => herd?.stop());

  it('restores every acknowledged write on the same nodes and port when a deletion under load is undone', async () => {
    const page = new OperatingPage(herd, 'deleted-by-mistake.md');
    const before = await state();
    const uri = await herd.uri('f1');
    const writer = await new Writer(uri, { everyMs: 10 }).start();
    await writer.nextAck();
    expect(await page.run('delete f1 --yes --wait')).to.include('`pgherd undelete f1`');
    await writer.stop();
    expect(await page.run('get deleted')).to.match(/f1 +test +\d+ +Kept +\d+s +59m/);
    for (const { node_id } of before.nodes) expect(herd.processesOf(node_id)).to.deep.equal([]);
    await page.run('undelete f1');
    await page.run('wait f1');
    page.end();
    const after = await state();
    expect(after.allocated_port).to.equal(before.allocated_port);
    expect(after.nodes).to.deep.equal(before.nodes);
    expect(await herd.uri('f1')).to.equal(uri);
    expect(await writer.lost()).to.deep.equal([]);
  });

  it('stops a rolling restart at the first node that does not come back, and rolls back', async () => {
    const before = await state();
    const uri = await herd.uri('f1');
    const writer = await new Writer(uri, { everyMs: 20 }).start();
    const page = new OperatingPage(herd, 'changing.md');
    const bad = { ...document, parameters: { ...document.parameters, postgresql: { shared_buffers: '4000GB' } } };
    writeFileSync(join(herd.dir, 'new.json'), JSON.stringify(bad));
    expect(await page.run('apply --id f1 -f new.json --dry-run')).to.match(/restart replica [\s\S]*switch over from/);
    await page.run('apply --id f1 -f new.json');
    await says(herd, 'f1', 'Degraded', 'RolloutStopped');
    expect(await page.run('describe f1')).to.match(/Rollout stopped at .*`pgherd rollback f1`/);
    expect((await state()).leader).to.equal(before.leader);
    await writer.nextAck();
    expect(await page.run('get cells -o wide')).to.match(/POSTGRESQL[\s\S]* 15 /);
    await page.run('rollback f1');
    await page.run('wait f1');
    page.end();
    await writer.nextAck();
    await writer.stop();
    expect((await state()).nodes).to.deep.equal(before.nodes);
    expect(await writer.lost()).to.deep.equal([]);
  });

  it('makes a lower max_connections true on every node, as if the instance had been created with it', async () => {
    const uri = await herd.uri('f1');
    const writer = await new Writer(uri, { everyMs: 20 }).start();
    const { nodes } = await state();
    const lower = { ...document, parameters: { ...document.parameters, postgresql: { max_connections: 25 } } };
    await herd.apply('f1', lower);
    const addresses = (await herd.pairs('/cells/observed/')).map(
      ([, value]) => JSON.parse(value).ports['5432'] as string,
    );
    expect(addresses).to.have.length(nodes.length);
    for (const address of addresses) {
      const direct = new URL(uri);
      direct.host = address;
      expect(await sql(direct.href, 'show max_connections'), address).to.deep.equal([{ max_connections: '25' }]);
    }
    expect((await state()).nodes).to.deep.equal(nodes);
    for (const [key, value] of await herd.pairs('/cells/')) {
      expect(value, key).to.not.match(/pending_restart|restart_pending/);
    }
    await writer.nextAck();
    await writer.stop();
    expect(await writer.lost()).to.deep.equal([]);
  });

  it('changes all passwords as the runbook says: rows, nodes and port stay, and the old passwords are good for nothing', async () => {
    const key = '/serviceinstances/f1/credentials';
    const old = await herd.uri('f1');
    const before = await state();
    const [, text] = (await herd.pairs(key))[0] ?? [];
    const accounts: Record<string, { username: string; password: string }> = JSON.parse(text ?? '{}');
    const superuser = new URL(old);
    superuser.username = accounts['superuser_credentials']?.username ?? '';
    superuser.password = accounts['superuser_credentials']?.password ?? '';
    const changed: Record<string, unknown> = { created_at: new Date().toISOString() };
    const roles: string[] = [];
    for (const [name, { username }] of Object.entries(accounts)) {
      if (!username) continue;
      changed[name] = { username, password: `new-${username}` };
      roles.push(`alter role "${username}" password 'new-${username}'`);
    }
    expect(roles).to.have.length(4);
    await sql(superuser.href, roles.join(';'));
    await herd.put(key, JSON.stringify(changed));
    await herd.run('hibernate', 'f1');
    await says(herd, 'f1', 'Running', 'Hibernated');
    await herd.run('wake', 'f1');
    await herd.run('wait', 'f1');
    const uri = await herd.uri('f1');
    expect(new URL(uri).password).to.equal('new-appuser');
    expect(await sql(uri, 'select 1 as x')).to.deep.equal([{ x: 1 }]);
    expect(await sql(old, 'select 1').catch(({ message }: Error) => message)).to.include(
      'password authentication failed',
    );
    const after = await state();
    expect([after.nodes, after.allocated_port]).to.deep.equal([before.nodes, before.allocated_port]);
  });

  it('brings every instance back onto its own data when etcd was wiped, without a restart of PostgreSQL', async () => {
    const page = new OperatingPage(herd, 'etcd-lost.md');
    writeFileSync(join(herd.dir, 'herd.key'), 'a secret of a good many characters');
    await page.run('snapshot save herd.snapshot --key-file herd.key');
    expect(await page.run('snapshot show herd.snapshot --key-file herd.key')).to.include('1 documents');
    const before = await state();
    const uri = await herd.uri('f1');
    await sql(uri, 'create table after_the_snapshot as select 42 as x');
    const pids = before.nodes.map(({ node_id }) => herd.processesOf(node_id).sort());

    await herd.etcd.stop();
    rmSync(herd.etcd.dataDir, { recursive: true });
    mkdirSync(herd.etcd.dataDir, { mode: 0o700 });
    await herd.etcd.start();
    for (const controller of herd.controllers) if (!controller.isRunning) controller.start();
    const problems = async () => {
      // Cells and etcd come back at the same time: a look may find nobody.
      const cells = await herd.pairs('/cells/registered/').catch(() => []);
      return cells.filter(([, value]) => value.includes('"problem"')).length === herd.cells.length;
    };
    await until('cells that see that the store is not theirs', problems, { withinMs: 90_000, everyMs: 300 });
    expect((await sql(uri, 'select x from after_the_snapshot'))[0], 'routes stay').to.deep.equal({ x: 42 });

    expect(await page.run('snapshot restore herd.snapshot --key-file herd.key')).to.include('1 instances restored');
    for (const controller of herd.controllers) if (!controller.isRunning) controller.start();
    await page.run('wait f1');
    const after = await state();
    expect(after.nodes).to.deep.equal(before.nodes);
    expect(after.allocated_port).to.equal(before.allocated_port);
    expect(await herd.uri('f1')).to.equal(uri);
    expect((await sql(uri, 'select x from after_the_snapshot'))[0]).to.deep.equal({ x: 42 });
    const now = before.nodes.map(({ node_id }) => herd.processesOf(node_id));
    for (const [at, postmasters] of pids.entries()) expect(now[at]).to.include.members(postmasters.slice(0, 3));
    expect(await page.run('snapshot finish')).to.include('finished');
    page.end();
  });
});
