import { expect } from 'chai';
import { SimulatedHerd } from '../../../src/cell/runtime/simulated/simulated-herd.ts';
import { SimulatedRuntime } from '../../../src/cell/runtime/simulated.ts';
import { createLogger } from '../../../src/engine/logger.ts';
import type { InstanceId, NodeId } from '../../../src/schema/ids.ts';
import { failoverKey, leaderKey, memberKey, parseMember } from '../../../src/schema/patroni.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import type { Op, TxnRequest, TxnResult } from '../../../src/store/store.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { runtimeContract } from '../../contract/runtime.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';
import { testAssignment, testOrder } from '../../fixtures/patroni.ts';

const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });

describe('SimulatedRuntime', () => {
  const stop = new AbortController();
  const store = new MemoryStore({ clock: systemClock });
  const herd = new SimulatedHerd({ store, clock: systemClock, logger });
  let running: Promise<void>;
  let latest: SimulatedRuntime;

  before(() => {
    running = herd.run(stop.signal);
  });
  after(async () => {
    stop.abort();
    await running;
    await store.close();
  });

  runtimeContract(() => ({
    open() {
      latest = new SimulatedRuntime(herd, '10.0.0.1');
      return latest;
    },
    async crash(_runtime, node) {
      latest.crash(node as NodeId);
    },
    async putAside(node) {
      return latest.trash.filter((each) => each === node).length;
    },
  }));
});

/** A store that takes its time, as all do. */
class SlowStore extends MemoryStore {
  readonly #clock: FakeClock;
  transactions = 0;

  constructor(clock: FakeClock) {
    super({ clock });
    this.#clock = clock;
  }

  override async txn(request: TxnRequest): Promise<TxnResult> {
    this.transactions += 1;
    await this.#clock.sleep(2);
    return super.txn(request);
  }
}

describe('SimulatedHerd', () => {
  const instance = 'i' as InstanceId;
  const names = ['i-a', 'i-b', 'i-c'];
  let clock: FakeClock;
  let store: SlowStore;
  let stop: AbortController;
  let running: Promise<void>[];
  /** Two processes: the first plays i-a and i-b, the second i-c. */
  let runtimes: SimulatedRuntime[];

  beforeEach(async () => {
    clock = new FakeClock();
    store = new SlowStore(clock);
    stop = new AbortController();
    const herds = [1, 2].map(() => new SimulatedHerd({ store, clock, logger, random: () => 0 }));
    running = herds.map((herd) => herd.run(stop.signal));
    runtimes = herds.map((herd, at) => new SimulatedRuntime(herd, `10.0.0.${at}`));
    await settle();
  });
  afterEach(async () => {
    stop.abort();
    await Promise.all(running);
    await store.close();
  });

  const runtimeOf = (name: string) => (name === 'i-c' ? runtimes[1] : runtimes[0]) as SimulatedRuntime;
  const settle = () => clock.advance(100);
  const start = async (...nodes: string[]) => {
    for (const node of nodes) await runtimeOf(node).start(testOrder(testAssignment('i', node, { ttl: 30 })));
    await settle();
  };
  const write = (op: Op) => Promise.all([store.txn({ if: [], then: [op] }), clock.advance(5)]);
  const leader = async () => (await store.get(leaderKey(instance))).kv;
  const member = async (name: string) => {
    const { kv } = await store.get(memberKey(instance, name as NodeId));
    const parsed = kv && parseMember(kv.value);
    return parsed?.ok ? parsed.value : undefined;
  };
  const value = async (rest: string) => {
    const { kv } = await store.get(`/service/i/${rest}`);
    return kv && JSON.parse(kv.value);
  };
  const streaming = (name: string) => {
    const sight = runtimeOf(name).see(name as NodeId);
    return sight.state === 'running' ? sight.patroni?.streaming : undefined;
  };
  const roles = async () => (await Promise.all(names.map(member))).map((each) => each?.role);

  it('bootstraps an instance as Patroni does: one leads, the others stream', async () => {
    await start(...names);
    expect((await leader())?.value).to.equal('i-a');
    expect(await roles()).to.deep.equal(['master', 'replica', 'replica']);
    expect(streaming('i-a')).to.deep.equal(['i-b', 'i-c']);
    expect(streaming('i-b')).to.equal(undefined);
    expect(await value('config')).to.include({ ttl: 30 });
    expect(String((await store.get('/service/i/initialize')).kv?.value)).to.match(/^7\d{18}$/);
    expect(await member('i-c')).to.deep.include({ state: 'running', timeline: 1 });
    expect((await leader())?.leaseId).not.to.equal(0n);
  });

  it('needs few transactions for many nodes', async () => {
    for (let i = 0; i < 100; i += 1) {
      for (const node of ['a', 'b', 'c']) {
        await runtimes[0]?.start(testOrder(testAssignment(`many-${i}`, `many-${i}-${node}`)));
      }
    }
    await settle();
    expect((await store.list({ start: '/service/many', end: '/service/many~' })).kvs).to.have.length(700);
    expect(store.transactions).to.be.lessThan(20);
  });

  it('elects another when a leader crashed and its lease has run out, and not before', async () => {
    await start(...names);
    runtimes[0]?.crash('i-a' as NodeId);
    await clock.advance(29_000);
    expect((await leader())?.value).to.equal('i-a');
    await clock.advance(2000);
    expect((await leader())?.value).to.be.oneOf(['i-b', 'i-c']);
    expect(await member('i-a')).to.equal(undefined);
    expect((await value('history'))[0][0]).to.equal(1);
    expect(await member((await leader())?.value ?? '')).to.include({ role: 'master', timeline: 2 });
  });

  it('elects another at once when the leader key is released', async () => {
    await start(...names);
    runtimes[0]?.crash('i-a' as NodeId);
    await write({ type: 'delete', key: leaderKey(instance) });
    await settle();
    expect((await leader())?.value).to.be.oneOf(['i-b', 'i-c']);
  });

  it('switches over when it is asked to, also to a member in another process', async () => {
    await start(...names);
    const request = JSON.stringify({ leader: 'i-a', member: 'i-c' });
    await write({ type: 'put', key: failoverKey(instance), value: request });
    await settle();
    expect((await leader())?.value).to.equal('i-c');
    expect(await roles()).to.deep.equal(['replica', 'replica', 'master']);
    expect(await value('failover')).to.deep.equal({});
    expect(streaming('i-c')).to.deep.equal(['i-a', 'i-b']);
  });

  it('hands over when a leader is stopped in order', async () => {
    await start(...names);
    await Promise.all([runtimes[0]?.stop('i-a' as NodeId), settle()]);
    expect((await leader())?.value).to.be.oneOf(['i-b', 'i-c']);
    expect(await member('i-a')).to.include({ state: 'stopped' });
    await clock.advance(31_000);
    expect(await member('i-a')).to.equal(undefined);
  });

  it('waits for ever for a leader when the data are gone and the instance is known', async () => {
    await write({ type: 'put', key: '/service/i/initialize', value: '7000000000000000000' });
    await start(...names);
    expect(await leader()).to.equal(undefined);
  });

  it('writes WAL positions every loop_wait, and nothing else at rest', async () => {
    await start(...names);
    const before = (await member('i-b')) as unknown as { xlog_location: number };
    const { revision } = await store.identity();
    await clock.advance(5000);
    const after = (await member('i-b')) as unknown as { xlog_location: number };
    expect(after.xlog_location).to.be.greaterThan(before.xlog_location);
    expect(Number((await store.identity()).revision - revision)).to.be.lessThan(5);
  });

  it('comes back with all instances when its lease was lost', async () => {
    await start(...names);
    const lease = (await leader())?.leaseId ?? 0n;
    store.expireLease(lease);
    await clock.advance(20_000);
    expect((await leader())?.leaseId).not.to.equal(lease);
    expect(await roles()).to.include('master');
  });
});
