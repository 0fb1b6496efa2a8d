import { expect } from 'chai';
import { Election, LeadershipLostError } from '../../src/engine/election.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Compare } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

const key = '/pgherd/leader';

describe('Election', () => {
  let clock: FakeClock;
  let store: MemoryStore;

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
  });

  /** A process that takes part: what became of it can be read from its fields. */
  function candidate(identity: string, client = new MemoryStore({ clock, keyspace: store.keyspace })) {
    const registry = new Registry();
    const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
    const metrics = new EngineMetrics(registry).elections;
    const election = new Election({ store: client, key, identity, clock, logger, metrics, random: () => 0.5 });
    const stop = new AbortController();
    const state = {
      client,
      leading: undefined as AbortSignal | undefined,
      fence: undefined as Compare | undefined,
      error: undefined as unknown,
      ended: false,
      finishLead: () => {},
      stop: () => stop.abort(),
      master: async () =>
        (await registry.getMetricsAsJSON()).find(({ name }) => name.endsWith('status'))?.values[0]?.value,
      write: async () => {
        const fence = state.fence as Compare;
        return (await client.txn({ if: [fence], then: [{ type: 'put', key: '/by', value: identity }] })).succeeded;
      },
    };
    election
      .run(stop.signal, (leading, fence) => {
        state.leading = leading;
        state.fence = fence;
        return new Promise((resolve) => {
          state.finishLead = resolve;
        });
      })
      .catch((error: unknown) => {
        state.error = error;
      })
      .finally(() => {
        state.ended = true;
      });
    return state;
  }

  it('lets one lead, and the next as soon as the first has finished what it was doing', async () => {
    const first = candidate('a');
    await settle();
    const second = candidate('b');
    await clock.advance(60_000);
    expect([first.leading?.aborted, second.leading, await first.master(), await second.master()]).to.deep.equal([
      false,
      undefined,
      1,
      0,
    ]);

    first.stop();
    await clock.advance(5_000);
    expect(first.leading?.aborted, 'the leader is told').to.equal(true);
    expect(second.leading, 'nobody leads while the old leader may still write').to.equal(undefined);
    first.finishLead();
    await settle();
    expect([first.ended, first.error, second.leading?.aborted]).to.deep.equal([true, undefined, false]);
    expect(await second.write()).to.equal(true);

    second.stop();
    second.finishLead();
    await settle();
    expect([second.ended, clock.pendingTimers]).to.deep.equal([true, 0]);
  });

  it('ends the leader before the store gives its lease to another', async () => {
    const first = candidate('a');
    await settle();
    const second = candidate('b');
    await settle();
    first.client.disconnect();
    await clock.advance(9_999);
    expect(first.leading?.aborted).to.equal(false);
    await clock.advance(1);
    expect(first.leading?.aborted).to.equal(true);
    expect(first.error).to.be.instanceOf(LeadershipLostError);
    expect(second.leading).to.equal(undefined);
    await clock.advance(5_000);
    expect(second.leading?.aborted).to.equal(false);

    first.client.reconnect();
    expect(await first.write(), 'what the old leader still had in mind').to.equal(false);
    expect(await second.write()).to.equal(true);
    second.stop();
    second.finishLead();
    await settle();
  });

  it('ends the leader when somebody deletes its key', async () => {
    const first = candidate('a');
    await settle();
    await store.txn({ if: [], then: [{ type: 'delete', key }] });
    await settle();
    expect(first.error).to.be.instanceOf(LeadershipLostError);
    expect(await first.write()).to.equal(false);
    await clock.advance(15_000);
    expect(clock.pendingTimers, 'only the lease was left').to.equal(0);
  });

  it('waits through an outage of the store and leads afterwards', async () => {
    const client = new MemoryStore({ clock, keyspace: store.keyspace });
    client.disconnect();
    const first = candidate('a', client);
    await clock.advance(60_000);
    expect(first.ended).to.equal(false);
    client.reconnect();
    await clock.advance(10_000);
    expect(first.leading?.aborted).to.equal(false);
    first.stop();
    first.finishLead();
    await settle();
    expect(first.ended).to.equal(true);
  });

  it('stops waiting at once', async () => {
    const first = candidate('a');
    await settle();
    const second = candidate('b');
    await settle();
    second.stop();
    await settle();
    expect([second.ended, second.error]).to.deep.equal([true, undefined]);
    first.stop();
    first.finishLead();
    await settle();
    expect(clock.pendingTimers).to.equal(0);
  });

  it('refuses timings with which two could lead', () => {
    const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
    const { elections: metrics } = new EngineMetrics(new Registry());
    const options = { store, key, identity: 'a', clock, logger, metrics };
    expect(() => new Election({ ...options, leaseSeconds: 10 })).to.throw(RangeError);
  });
});
