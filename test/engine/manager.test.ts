import { expect } from 'chai';
import { aborted } from '../../src/engine/aborted.ts';
import { Election, LeadershipLostError } from '../../src/engine/election.ts';
import { Informer } from '../../src/engine/informer.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { Manager, type ManagerOptions, type Stage } from '../../src/engine/manager.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { prefixRange } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

const key = '/pgherd/leader';

describe('Manager', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let happened: string[];
  let stop: AbortController;
  const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    happened = [];
    stop = new AbortController();
  });

  function setUp(options: Partial<ManagerOptions> = {}) {
    const metrics = new EngineMetrics(new Registry());
    const election = new Election({ store, key, identity: 'a', clock, logger, metrics: metrics.elections });
    const informer = new Informer({
      name: 'herd',
      store,
      range: prefixRange('/a/'),
      parse: ({ value }) => value,
      clock,
      logger,
      metrics: metrics.informers,
    });
    const manager = new Manager({ clock, logger, election, ...options });
    const part = (name: string, stage: Stage, run?: (signal: AbortSignal) => Promise<void>) =>
      manager.add({
        name,
        stage,
        run: async (signal: AbortSignal) => {
          happened.push(`+${name}`);
          await (run ?? aborted)(signal);
          await settle();
          happened.push(`-${name}`);
        },
      });
    return { manager, informer, part };
  }

  /** Runs the manager; the promise resolves with the error it rejects with, if it does. */
  const run = (manager: Manager) =>
    manager.run(stop.signal).then(
      () => undefined,
      (error: unknown) => error,
    );

  it('starts in order and stops in the opposite one', async () => {
    const { manager, part } = setUp();
    part('controller', 'leader');
    part('registration', 'always');
    part('cache', 'informers');
    part('http', 'http');
    const ended = run(manager);
    await clock.advance(60_000);
    expect(happened).to.deep.equal(['+http', '+cache', '+registration', '+controller']);
    happened.length = 0;
    stop.abort();
    expect(await ended).to.equal(undefined);
    expect(happened).to.deep.equal(['-controller', '-registration', '-cache', '-http']);
    expect((await store.get(key)).kv, 'the leadership is given away').to.equal(undefined);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('lets a standby fill its caches, and its leader parts start only with all that happened before the election', async () => {
    const rival = await store.lease(15);
    await store.txn({ if: [], then: [{ type: 'put', key, value: 'rival', leaseId: rival.id }] });
    const { manager, informer, part } = setUp();
    manager.addInformer(informer);
    part('controller', 'leader', async () => {
      happened.push(`knows ${[...informer.entries()].map(({ value }) => value)}`);
    });
    const ended = run(manager);
    await clock.advance(30_000);
    await store.txn({ if: [], then: [{ type: 'put', key: '/a/1', value: 'before' }] });
    await settle();
    expect([informer.synced, informer.size, happened]).to.deep.equal([true, 1, []]);
    await store.txn({ if: [], then: [{ type: 'put', key: '/a/2', value: 'last' }] });
    await rival.revoke();
    await settle();
    expect(happened).to.include('knows before,last');
    stop.abort();
    expect(await ended).to.equal(undefined);
  });

  it('starts nothing that reads before the caches are filled', async () => {
    store.disconnect();
    const { manager, informer, part } = setUp();
    manager.addInformer(informer);
    part('http', 'http');
    part('reader', 'always');
    const ended = run(manager);
    await clock.advance(60_000);
    expect(happened).to.deep.equal(['+http']);
    stop.abort();
    expect(await ended).to.equal(undefined);
  });

  it('stops everything when one part fails, and says why', async () => {
    const { manager, part } = setUp();
    part('http', 'http');
    part('bad', 'always', async () => {
      throw new Error('port taken');
    });
    expect(await run(manager)).to.have.property('message', 'port taken');
    expect(happened).to.include('-http');
    expect(clock.pendingTimers).to.equal(0);
  });

  it('ends with an error when leadership is lost', async () => {
    const { manager, part } = setUp();
    part('controller', 'leader');
    const ended = run(manager);
    await settle();
    await store.txn({ if: [], then: [{ type: 'delete', key }] });
    await settle();
    expect(await ended).to.be.instanceOf(LeadershipLostError);
    expect(happened).to.deep.equal(['+controller', '-controller']);
  });

  it('gives up on what does not stop within the grace time, by name', async () => {
    const { manager, part } = setUp();
    part('stubborn', 'always', () => new Promise(() => {}));
    part('http', 'http');
    const ended = run(manager);
    await settle();
    stop.abort();
    await clock.advance(30_000);
    expect(await ended).to.have.property('message', 'still running 30000 ms after being stopped: stubborn, http');
  });

  it('does not take being aborted for a failure', async () => {
    const { manager, part } = setUp();
    part('sleeper', 'always', (signal) => clock.sleep(1e9, signal));
    const ended = run(manager);
    await settle();
    stop.abort();
    expect(await ended).to.equal(undefined);
  });
});
