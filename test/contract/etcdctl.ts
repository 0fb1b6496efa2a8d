import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Etcdctl, printed } from '../fixtures/etcdctl.ts';
import type { KvServer } from './kv-behaviour.ts';

/** What operators do with etcdctl. */
export function etcdctlWorks(start: () => Promise<KvServer>): void {
  let server: KvServer;
  let etcdctl: Etcdctl;
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgherd-etcdctl-'));
    server = await start();
    etcdctl = new Etcdctl(server.endpoint);
  });
  after(async () => {
    etcdctl?.stop();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('put, get and del', async () => {
    expect(await etcdctl.ok(['put', 'x/a', '1'])).to.equal('OK\n');
    await etcdctl.ok(['put', 'x/b', '2']);
    expect(await etcdctl.ok(['put', 'x/a', '3', '--prev-kv'])).to.equal('OK\nx/a\n1\n');
    expect(await etcdctl.ok(['get', 'x/', '--prefix'])).to.equal('x/a\n3\nx/b\n2\n');
    expect(await etcdctl.ok(['get', 'x/', '--prefix', '--keys-only', '--order', 'DESCEND'])).to.equal('x/b\n\nx/a\n\n');
    expect(await etcdctl.ok(['get', 'x/a', '--print-value-only'])).to.equal('3\n');
    expect((await etcdctl.json('get', 'x/', '--prefix', '--limit', '1')).more).to.equal(true);
    const { header } = await etcdctl.json('get', 'x/a');
    expect(await etcdctl.ok(['get', 'x/a', '--rev', String(header.revision - 1), '--print-value-only'])).to.equal(
      '1\n',
    );
    expect(await etcdctl.ok(['get', 'x/b', '--from-key', '--consistency', 's'])).to.equal('x/b\n2\n');
    expect(await etcdctl.ok(['del', 'x/', '--prefix'])).to.equal('2\n');
  });

  it('txn', async () => {
    await etcdctl.ok(['put', 't', '1']);
    const script = 'value("t") = "1"\nmod("t") > "0"\n\nput t 2\nget t\n\nput t 3\n\n';
    expect(await etcdctl.ok(['txn'], script)).to.equal('SUCCESS\n\nOK\n\nt\n2\n');
    expect(await etcdctl.ok(['txn'], script)).to.equal('FAILURE\n\nOK\n');
  });

  it('watch', async () => {
    const { header } = await etcdctl.json('put', 'w/a', '1');
    const watch = etcdctl.start(['watch', 'w/', '--prefix', '--rev', String(header.revision), '--prev-kv']);
    await printed(watch, /PUT\n\n?w\/a\n1\n/);
    const deleted = printed(watch, /DELETE\nw\/a\n1\nw\/a\n\n/);
    await etcdctl.ok(['del', 'w/a']);
    await deleted;
    watch.kill();
  });

  it('lease', async () => {
    const granted = await etcdctl.ok(['lease', 'grant', '100']);
    const [, id = ''] = /^lease ([0-9a-f]+) granted with TTL\(100s\)/.exec(granted) ?? [];
    await etcdctl.ok(['put', 'l', '1', '--lease', id]);
    expect(await etcdctl.ok(['lease', 'timetolive', id, '--keys'])).to.match(
      /granted with TTL\(100s\), remaining\(\d+s\), attached keys\(\[l\]\)/,
    );
    expect(await etcdctl.ok(['lease', 'list'])).to.include(id);
    expect(await etcdctl.ok(['lease', 'keep-alive', '--once', id])).to.include('keepalived with TTL(100)');
    await etcdctl.ok(['lease', 'revoke', id]);
    expect(await etcdctl.ok(['get', 'l'])).to.equal('');
    expect(await etcdctl.ok(['lease', 'timetolive', id])).to.include('already expired');
  });

  it('lock: a second holder waits for the first', async () => {
    const first = etcdctl.start(['lock', 'mutex']);
    await printed(first, /mutex\//);
    const second = etcdctl.start(['lock', 'mutex']);
    const held = printed(second, /mutex\//);
    const waiting = async () => (await etcdctl.json('get', 'mutex/', '--prefix')).count === 2;
    while (!(await waiting()));
    first.kill('SIGINT');
    await held;
    second.kill('SIGINT');
    await once(second, 'close');
  });

  it('elect: the next candidate leads when the leader goes', async () => {
    const first = etcdctl.start(['elect', 'chair', 'one']);
    await printed(first, /one/);
    const listener = etcdctl.start(['elect', '--listen', 'chair']);
    await printed(listener, /one/);
    const second = etcdctl.start(['elect', 'chair', 'two']);
    const leads = Promise.all([printed(second, /two/), printed(listener, /two/)]);
    const waiting = async () => (await etcdctl.json('get', 'chair/', '--prefix')).count === 2;
    while (!(await waiting()));
    first.kill('SIGINT');
    await leads;
    second.kill('SIGINT');
    listener.kill('SIGINT');
  });

  it('member list, endpoint health, status and hashkv', async () => {
    const { members } = await etcdctl.json('member', 'list');
    expect(members).to.have.length(1);
    expect(members[0].clientURLs).to.deep.equal([server.endpoint]);
    const { err, out } = await etcdctl.run(['endpoint', 'health']);
    expect(err + out).to.include('is healthy');
    const [status] = await etcdctl.json('endpoint', 'status');
    expect(status.Status.version).to.match(/^3\./);
    expect(status.Status.leader).to.equal(members[0].ID);
    const [hash] = await etcdctl.json('endpoint', 'hashkv');
    expect(hash.HashKV.hash).to.be.a('number');
  });

  it('alarm list and disarm', async () => {
    expect(await etcdctl.ok(['alarm', 'list'])).to.equal('');
    await etcdctl.ok(['alarm', 'disarm']);
  });

  it('compaction and defrag', async () => {
    const { header } = await etcdctl.json('put', 'c', '1');
    await etcdctl.ok(['put', 'c', '2']);
    expect(await etcdctl.ok(['compaction', String(header.revision), '--physical'])).to.include('compacted revision');
    const again = await etcdctl.run(['compaction', String(header.revision)]);
    expect(again.code).to.not.equal(0);
    expect(again.err).to.include('required revision has been compacted');
    await etcdctl.run(['defrag']).then(({ err, out }) => expect(err + out).to.include('Finished defragmenting'));
  });

  it('snapshot save', async () => {
    const file = join(dir, 'snapshot.db');
    await etcdctl.ok(['snapshot', 'save', file]);
    expect((await stat(file)).size).to.be.greaterThan(0);
  });

  it('auth, user and role', async () => {
    await etcdctl.ok(['user', 'add', 'root:secret']);
    await etcdctl.ok(['role', 'add', 'root']);
    await etcdctl.ok(['user', 'grant-role', 'root', 'root']);
    await etcdctl.ok(['user', 'add', 'app:word']);
    await etcdctl.ok(['role', 'add', 'app']);
    await etcdctl.ok(['role', 'grant-permission', 'app', 'readwrite', 'app/', '--prefix']);
    await etcdctl.ok(['user', 'grant-role', 'app', 'app']);
    expect(await etcdctl.ok(['role', 'get', 'app'])).to.include('[app/, app0) (prefix app/)');
    expect(await etcdctl.ok(['auth', 'enable'])).to.include('Authentication Enabled');
    const root = etcdctl.with('--user', 'root:secret');
    try {
      expect((await etcdctl.run(['get', 'app/a'])).err).to.include('user name is empty');
      const app = etcdctl.with('--user', 'app:word');
      await app.ok(['put', 'app/a', '1']);
      expect(await app.ok(['get', 'app/', '--prefix'])).to.equal('app/a\n1\n');
      expect((await app.run(['put', 'other', '1'])).err).to.include('permission denied');
      const wrong = await etcdctl.with('--user', 'app:wrong').run(['get', 'app/a']);
      expect(wrong.err).to.include('authentication failed, invalid user ID or password');
      expect(await root.ok(['user', 'list'])).to.equal('app\nroot\n');
      expect(await root.ok(['user', 'get', 'app'])).to.include('Roles: app');
      await root.ok(['user', 'passwd', '--interactive=false', 'app'], 'new\n');
      await etcdctl.with('--user', 'app:new').ok(['get', 'app/a']);
      await root.ok(['user', 'revoke-role', 'app', 'app']);
      await root.ok(['role', 'revoke-permission', 'app', 'app/', '--prefix']);
      await root.ok(['user', 'delete', 'app']);
      await root.ok(['role', 'delete', 'app']);
      expect(await root.ok(['role', 'list'])).to.equal('root\n');
    } finally {
      await root.ok(['auth', 'disable']);
    }
  });
}
