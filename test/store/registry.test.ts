import { expect } from 'chai';
import { Keyspace } from '../../src/store/keyspace.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { Registry } from '../../src/store/registry.ts';
import { RegistryNamespace } from '../../src/store/registry-namespace.ts';
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
    await settle();
    expect(await entries()).to.deep.equal(['a=new', 'b=2']);
    await reader.txn({ if: [], then: [{ type: 'put', key: '/apps/a', value: 'vandalized' }] });
    registry.withdraw('b');
    await settle();
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
