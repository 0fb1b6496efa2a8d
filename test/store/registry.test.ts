import { expect } from 'chai';
import { Keyspace } from '../../src/store/keyspace.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { Registry } from '../../src/store/registry.ts';
import { RegistryNamespace } from '../../src/store/registry-namespace.ts';
import type { Lease } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

describe('Registry', () => {
  let keyspace: Keyspace;
  let clock: FakeClock;
  let stops: AbortController[];
  let running: Promise<void>[];
  let reader: MemoryStore;

  beforeEach(() => {
    keyspace = new Keyspace();
    clock = new FakeClock();
    stops = [];
    running = [];
    reader = new MemoryStore({ clock, keyspace });
  });
  afterEach(async () => {
    for (const stop of stops) stop.abort();
    await Promise.all(running);
  });

  function member(...entries: readonly (readonly [string, string])[]) {
    const store = new MemoryStore({ clock, keyspace });
    const namespace = new RegistryNamespace(store, '/apps');
    const registry = new Registry({ store, clock, namespace, group: 'baw', ttlSeconds: 10 });
    for (const [name, value] of entries) registry.publish(name, value);
    const stop = new AbortController();
    stops.push(stop);
    const ended = registry.run(stop.signal);
    running.push(ended);
    return { store, registry, stop, ended };
  }
  const entries = async () => {
    const { entries: all } = await new RegistryNamespace(reader, '/apps').list();
    return all.map(({ name, value }) => `${name}=${value}`);
  };
  const leaseId = async () => (await reader.get('/apps/baw/lease')).kv?.value;

  it('publishes on one lease that all members of a group share', async () => {
    member(['a', '1']);
    await settle();
    const first = await leaseId();
    member(['b', '2'], ['c', '3']);
    await settle();
    expect(await entries()).to.deep.equal(['a=1', 'b=2', 'c=3']);
    expect(await leaseId()).to.equal(first);
    const { kvs } = await reader.list({ start: '/apps/', end: '/apps0' });
    expect(new Set(kvs.map((kv) => kv.leaseId.toString()))).to.deep.equal(new Set([first]));
  });

  it('two members that begin at the same moment end with one lease', async () => {
    member(['a', '1']);
    member(['b', '2']);
    member(['c', '3']);
    await settle();
    expect(await entries()).to.deep.equal(['a=1', 'b=2', 'c=3']);
    const { kvs } = await reader.list({ start: '/apps/', end: '/apps0' });
    expect(new Set(kvs.map((kv) => kv.leaseId)).size).to.equal(1);
  });

  it('keeps the lease when the member that created it goes; what he published goes with him', async () => {
    const first = member(['a', '1']);
    await settle();
    member(['b', '2']);
    await settle();
    first.stop.abort();
    await first.ended;
    await clock.advance(60_000);
    await settle();
    expect(await entries()).to.deep.equal(['b=2']);
  });

  it('writes everything again when the lease was revoked, or the data was erased', async () => {
    member(['a', '1'], ['b', '2']);
    await settle();
    keyspace.revoke(BigInt((await leaseId()) ?? 0));
    await settle();
    await clock.advance(10_000);
    await settle();
    expect(await entries()).to.deep.equal(['a=1', 'b=2']);
    await reader.txn({ if: [], then: [{ type: 'deleteRange', range: { start: '/apps/', end: '/apps0' } }] });
    await settle();
    await clock.advance(10_000);
    await settle();
    expect(await entries()).to.deep.equal(['a=1', 'b=2']);
  });

  it('follows what is published and withdrawn later, and repairs what somebody else changed', async () => {
    const { registry } = member(['a', '1']);
    await settle();
    registry.publish('b', '2');
    registry.publish('a', 'new');
    await clock.advance(50);
    expect(await entries()).to.deep.equal(['a=new', 'b=2']);
    await reader.txn({ if: [], then: [{ type: 'put', key: '/apps/a', value: 'vandalized' }] });
    registry.withdraw('b');
    await clock.advance(50);
    expect(await entries()).to.deep.equal(['a=new']);
  });

  it('is there again after the store could not be reached for longer than the lease lives', async () => {
    const { store } = member(['a', '1']);
    await settle();
    store.disconnect();
    await clock.advance(60_000);
    await settle();
    expect(await entries()).to.deep.equal([]);
    store.reconnect();
    await clock.advance(10_000);
    await settle();
    expect(await entries()).to.deep.equal(['a=1']);
  });

  it('writes nothing at rest', async () => {
    member(['a', '1']);
    member(['a', '1'], ['b', '2']);
    await settle();
    const { revision } = keyspace;
    await clock.advance(120_000);
    await settle();
    expect(keyspace.revision).to.equal(revision);
  });

  it('two that disagree about an entry do not overwrite each other as fast as they can', async () => {
    member(['a', 'mine']);
    member(['a', 'yours']);
    await clock.advance(10_000);
    const { revision } = keyspace;
    await clock.advance(60_000);
    expect(Number(keyspace.revision - revision)).to.be.within(2, 30);
  });

  describe('of a process that is no member of a group', () => {
    function publisher(...names: string[]) {
      const store = new MemoryStore({ clock, keyspace });
      const held: Lease[] = [];
      const troubles: unknown[] = [];
      const registry = new Registry({
        ...{ store, clock, namespace: new RegistryNamespace(store, '/cells/registered/'), ttlSeconds: 10 },
        async onHeld(lease) {
          held.push(lease);
        },
        onTrouble: (error) => troubles.push(error),
      });
      for (const name of names) registry.publish(name, `${name} is here`);
      const stop = new AbortController();
      stops.push(stop);
      const ended = registry.run(stop.signal);
      running.push(ended);
      return { store, registry, held, troubles, stop, ended };
    }
    const keys = async () => (await reader.list({ start: '/cells/', end: '/cells0' })).kvs.map(({ key }) => key);

    it('puts its entry and nothing else, on a lease of its own', async () => {
      publisher('cell-1');
      publisher('cell-2');
      await settle();
      expect(await keys()).to.deep.equal(['/cells/registered/cell-1', '/cells/registered/cell-2']);
      const { kvs } = await reader.list({ start: '/cells/', end: '/cells0' });
      expect(new Set(kvs.map((kv) => kv.leaseId)).size).to.equal(2);
    });

    it('is gone when its lease ends, although others of the namespace live', async () => {
      const { store } = publisher('cell-1');
      publisher('cell-2');
      await settle();
      store.disconnect();
      await clock.advance(30_000);
      expect(await keys()).to.deep.equal(['/cells/registered/cell-2']);
    });

    it('takes everything that hangs on its lease away at once when it ends', async () => {
      const { held, stop, ended } = publisher('cell-1');
      await settle();
      const leaseId = (held[0] as Lease).id;
      await reader.txn({ if: [], then: [{ type: 'put', key: '/cells/more', value: 'x', leaseId }] });
      stop.abort();
      await ended;
      expect(await keys()).to.deep.equal([]);
    });

    it('keeps its lease, and what hangs on it, when the store cannot be written for a moment', async () => {
      const { store, registry, held, troubles } = publisher('cell-1');
      await settle();
      store.disconnect();
      registry.publish('cell-1', 'changed');
      await clock.advance(2_000);
      store.reconnect();
      await clock.advance(5_000);
      expect(troubles).to.not.deep.equal([]);
      expect(held.every((lease) => lease === held[0])).to.equal(true);
      expect((await reader.get('/cells/registered/cell-1')).kv?.value).to.equal('changed');
    });

    it('puts again at once what somebody deletes, and what a predecessor left that is not on its lease', async () => {
      const { revision } = await reader.txn({
        if: [],
        then: [{ type: 'put', key: '/cells/registered/cell-1', value: 'cell-1 is here' }],
      });
      const { held } = publisher('cell-1');
      await settle();
      const { kv } = await reader.get('/cells/registered/cell-1');
      expect(kv?.leaseId).to.equal(held[0]?.id);
      expect(kv?.modRevision).to.equal(revision + 1n);
      await clock.advance(50);
      await reader.txn({ if: [], then: [{ type: 'delete', key: '/cells/registered/cell-1' }] });
      await clock.advance(50);
      expect(await keys()).to.deep.equal(['/cells/registered/cell-1']);
    });
  });

  it('follow() tells every change after a list, and nothing of leases', async () => {
    const namespace = new RegistryNamespace(reader, '/apps/');
    const { revision } = await namespace.list();
    const { stop, ended } = member(['a', '1']);
    await settle();
    stop.abort();
    await ended;
    const seen: unknown[] = [];
    for await (const change of namespace.follow(revision, new AbortController().signal)) {
      seen.push(change);
      if (seen.length === 2) break;
    }
    expect(seen).to.deep.equal([
      { name: 'a', value: '1' },
      { name: 'a', value: undefined },
    ]);
  });

  it('refuses names that would be taken for lease keys', () => {
    expect(() => member(['x/lease', '1'])).to.throw('cannot be named');
  });
});
