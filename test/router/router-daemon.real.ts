import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { Keyspace } from '../../src/store/keyspace.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { type Clock, systemClock as clock } from '../../src/time/clock.ts';
import { Client, whoAnswers } from '../fixtures/client.ts';
import { type FakeMember, startFakeMember } from '../fixtures/fake-member.ts';
import { randomLoopback } from '../fixtures/free-port.ts';
import { makeRouterDir, type RouterDir } from '../fixtures/haproxy.ts';
import { type RouterFixture, type RouterFixtureOptions, startRouter } from '../fixtures/router.ts';

// The leases of events outlive everybody, for an hour: they shall not keep this process.
const leaseClock: Clock = {
  ...clock,
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** Waits for what must become true within a few seconds. */
async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 1000) throw new Error(`never became true: ${condition}`);
    await sleep(5);
  }
}

describe('runRouter() with a real HAProxy', () => {
  let host: string;
  let store: MemoryStore;
  let dir: RouterDir;
  let members: FakeMember[];
  let routers: RouterFixture[];

  beforeEach(async () => {
    host = randomLoopback();
    store = new MemoryStore({ clock: leaseClock });
    dir = await makeRouterDir();
    members = [];
    routers = [];
  });

  afterEach(async () => {
    for (const router of routers) await router.stop().catch(() => {});
    await dir.remove();
    for (const member of members) await member.stop();
    await store.close();
  });

  /** Puts a key, or deletes it, and returns the revision of that. */
  async function put(key: string, value: string | undefined, into = store): Promise<bigint> {
    const op = value === undefined ? ({ type: 'delete', key } as const) : ({ type: 'put', key, value } as const);
    return (await into.txn({ if: [], then: [op] })).revision;
  }

  /** An instance of two members, of which the first one leads, on this port. */
  async function instance(id: string, port: number): Promise<{ leader: FakeMember; replica: FakeMember }> {
    const leader = await startFakeMember(`${id}-a`, host, 'master');
    const replica = await startFakeMember(`${id}-b`, host, 'replica');
    members.push(leader, replica);
    await put(`/routing/ports/${port}`, id);
    await put(`/routing/allocation/${id}`, String(port));
    for (const member of [leader, replica]) await put(`/service/${id}/members/${member.name}`, member.memberValue());
    await put(`/service/${id}/leader`, leader.name);
    return { leader, replica };
  }

  /** What Patroni writes when the replica is promoted. */
  async function switchOver(id: string, from: FakeMember, to: FakeMember): Promise<bigint> {
    from.role = 'replica';
    to.role = 'master';
    const revision = await put(`/service/${id}/leader`, to.name);
    await put(`/service/${id}/members/${from.name}`, from.memberValue());
    await put(`/service/${id}/members/${to.name}`, to.memberValue());
    return revision;
  }

  function start(options: Partial<RouterFixtureOptions> = {}): RouterFixture {
    const router = startRouter({ store, bindAddress: host, dataDir: dir.path, ...options });
    routers.push(router);
    return router;
  }

  async function started(options: Partial<RouterFixtureOptions> = {}): Promise<RouterFixture> {
    const router = start(options);
    await router.applied(0n);
    return router;
  }

  it('leads clients to the leader, and read-only ones to the replica', async () => {
    await instance('f1', 30000);
    await instance('f2', 30001);
    const router = await started();
    expect(await router.registration()).to.deep.include({ ports: '30000-30019', refused_ports: [] });
    expect(await whoAnswers(host, 30000)).to.equal('f1-a');
    expect(await whoAnswers(host, 29980)).to.equal('f1-b');
    expect(await whoAnswers(host, 30001)).to.equal('f2-a');
    expect(await whoAnswers(host, 30002)).to.equal(undefined);
  });

  it('cuts the sessions on the old leader before it opens the new one, and nobody else’s', async () => {
    const f1 = await instance('f1', 30000);
    await instance('f2', 30001);
    const router = await started();
    const session = new Client(host, 30000);
    const other = new Client(host, 30001);
    expect([await session.answer, await other.answer]).to.deep.equal(['f1-a', 'f2-a']);
    await router.applied(await switchOver('f1', f1.leader, f1.replica));
    await session.closed;
    expect(await whoAnswers(host, 30000)).to.equal('f1-b');
    await eventually(async () => (await whoAnswers(host, 29980)) === 'f1-a');
    expect(other.isOpen).to.equal(true);
    other.end();
  });

  it('stops new connections when two claim to lead, keeps sessions, and goes on when that is settled', async () => {
    const { leader, replica } = await instance('f1', 30000);
    const router = await started();
    const session = new Client(host, 30000);
    expect(await session.answer).to.equal('f1-a');
    await router.applied(await put('/service/f1/members/f1-b', replica.memberValue({ role: 'master' })));
    expect(await whoAnswers(host, 30000)).to.equal(undefined);
    expect(session.isOpen).to.equal(true);
    await router.applied(await put('/service/f1/members/f1-b', replica.memberValue()));
    expect(await whoAnswers(host, 30000)).to.equal(leader.name);
    expect(session.isOpen).to.equal(true);
    session.end();
  });

  it('closes the port and cuts the sessions when the instance is deleted', async () => {
    await instance('f1', 30000);
    const router = await started();
    const session = new Client(host, 30000);
    await session.answer;
    const { revision } = await store.txn({
      if: [],
      then: ['/routing/allocation/f1', '/routing/ports/30000'].map((key) => ({ type: 'delete', key }) as const),
    });
    await router.applied(revision);
    await session.closed;
    expect(await whoAnswers(host, 30000)).to.equal(undefined);
  });

  it('keeps routes and checks while the store is away, and changes only what differs when it is back', async () => {
    const f1 = await instance('f1', 30000);
    const f2 = await instance('f2', 30001);
    const router = await started();
    const [session, other] = [new Client(host, 30000), new Client(host, 30001)];
    await Promise.all([session.answer, other.answer]);
    store.disconnect();
    expect(await whoAnswers(host, 30000)).to.equal('f1-a');
    // Nobody tells the router, but HAProxy asks Patroni itself.
    f2.leader.role = 'replica';
    await other.closed;
    expect(await whoAnswers(host, 30001)).to.equal(undefined);
    f2.leader.role = 'master';
    await eventually(async () => (await whoAnswers(host, 30001)) === 'f2-a');

    const elsewhere = new MemoryStore({ clock: leaseClock, keyspace: store.keyspace });
    f2.leader.role = 'replica';
    f2.replica.role = 'master';
    const revision = await put('/service/f2/leader', 'f2-b', elsewhere);
    store.reconnect();
    await router.applied(revision);
    expect(await whoAnswers(host, 30001)).to.equal('f2-b');
    expect([session.isOpen, await whoAnswers(host, 30000)]).to.deep.equal([true, f1.leader.name]);
    session.end();
  });

  it('keeps every route when the store is replaced by an empty one', async () => {
    await instance('f1', 30000);
    const first = await started();
    const session = new Client(host, 30000);
    await session.answer;
    await first.stop();
    const empty = new MemoryStore({ clock: leaseClock, keyspace: new Keyspace() });
    const router = start({ store: empty });
    await eventually(() => router.log.some((line) => line.includes('store is not the one known here')));
    expect([await whoAnswers(host, 30000), session.isOpen]).to.deep.equal(['f1-a', true]);
    expect(await router.registration()).to.equal(undefined);
    session.end();
    await router.stop();
    await empty.close();
  });

  it('takes over the HAProxy that runs: what changed meanwhile is applied, healthy sessions go on', async () => {
    const f1 = await instance('f1', 30000);
    await instance('f2', 30001);
    const first = await started();
    const [old, healthy] = [new Client(host, 30000), new Client(host, 30001)];
    await Promise.all([old.answer, healthy.answer]);
    const pids = await dir.pids();
    await first.stop();
    expect(await whoAnswers(host, 30000)).to.equal('f1-a');
    const revision = await switchOver('f1', f1.leader, f1.replica);
    const second = start();
    await second.applied(revision);
    await old.closed;
    expect(await whoAnswers(host, 30000)).to.equal('f1-b');
    expect([healthy.isOpen, await dir.pids()]).to.deep.equal([true, pids]);
    healthy.end();
  });

  it('starts a crashed HAProxy again, which knows all routes before it accepts', async () => {
    const f1 = await instance('f1', 30000);
    await instance('f2', 30001);
    const router = await started();
    await router.applied(await switchOver('f1', f1.leader, f1.replica));
    // Nobody leads now: the last route is to come back.
    await router.applied(await put('/service/f2/members/f2-b', undefined));
    await put('/service/f2/leader', undefined);
    const [pid] = await dir.pids();
    process.kill(pid as number, 'SIGKILL');
    const answers = new Set<string | undefined>();
    await eventually(async () => {
      const answer = await whoAnswers(host, 30000);
      answers.add(answer);
      return answer !== undefined;
    });
    expect([...answers].filter((answer) => answer !== undefined)).to.deep.equal(['f1-b']);
    expect(await whoAnswers(host, 30001)).to.equal('f2-a');
    await eventually(async () => (await router.registration()) !== undefined);
    expect(await router.registry.metrics()).to.include('router_haproxy_restarts_total 1');
  });

  it('replaces an HAProxy that runs but cannot be talked to', async () => {
    await instance('f1', 30000);
    const first = await started();
    await first.stop();
    const [pid] = await dir.pids();
    await dir.removeSocket();
    await started();
    expect(await dir.pids()).to.not.include(pid);
    expect(await whoAnswers(host, 30000)).to.equal('f1-a');
  });

  it('leaves out a port that another program holds, says so, and serves it without cutting anybody once it is free', async () => {
    await instance('f1', 30000);
    await instance('f2', 30001);
    const squatter = createServer().listen(30001, host);
    await once(squatter, 'listening');
    const router = await started();
    expect((await router.registration())?.refused_ports).to.deep.equal([30001]);
    const session = new Client(host, 30000);
    expect(await session.answer).to.equal('f1-a');
    squatter.close();
    await once(squatter, 'close');
    await eventually(async () => (await router.registration())?.refused_ports.length === 0);
    expect(await whoAnswers(host, 30001)).to.equal('f2-a');
    expect([session.isOpen, (await dir.pids()).length]).to.deep.equal([true, 2]);
    session.end();

    await router.stop();
    await started();
    expect([await whoAnswers(host, 30000), await whoAnswers(host, 30001)]).to.deep.equal(['f1-a', 'f2-a']);
  });

  it('stops HAProxy on exit when asked to, and leaves nothing behind', async () => {
    await instance('f1', 30000);
    const router = await started({ onExit: 'stop' });
    await router.stop();
    expect(await dir.pids()).to.deep.equal([]);
    expect(await whoAnswers(host, 30000)).to.equal(undefined);
  });

  it('serves the whole default block of 2,768 ports within seconds', async () => {
    await instance('f1', 32767);
    const startedMs = clock.monotonic();
    await started({ portRange: { first: 30000, last: 32767 } });
    expect(await whoAnswers(host, 32767)).to.equal('f1-a');
    expect(await whoAnswers(host, 29999)).to.equal('f1-b');
    expect(clock.monotonic() - startedMs).to.be.below(10_000);
  });

  async function failure(options: Partial<RouterFixtureOptions>): Promise<string> {
    try {
      await start(options).ended;
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error('it did not fail');
  }

  it('says how to install HAProxy when there is none', async () => {
    expect(await failure({ haproxyPath: '/nowhere/haproxy' })).to.equal(
      'haproxy cannot be run at /nowhere/haproxy: install it (apt-get install haproxy) or name its path',
    );
  });

  it('shows what HAProxy does not like about its configuration', async () => {
    const path = join(dir.path, 'older-haproxy');
    const script = '#!/bin/sh\n[ "$1" = -v ] && exit 0\necho "[ALERT] (1) : unknown keyword" >&2\nexit 1\n';
    await writeFile(path, script, { mode: 0o755 });
    expect(await failure({ haproxyPath: path })).to.match(/ended with 1: \[ALERT] \(1\) : unknown keyword$/);
  });

  it('names the limit when the data directory is too long for a socket', async () => {
    expect(await failure({ dataDir: join(dir.path, 'x'.repeat(80)) })).to.include('at most 97 are possible');
  });

  it('names the data directory when it cannot be written', async () => {
    const path = join(dir.path, 'file');
    await writeFile(path, '');
    expect(await failure({ dataDir: path })).to.equal(`data directory ${path} cannot be written`);
  });
});
