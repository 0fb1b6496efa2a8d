import { expect } from 'chai';
import { keepLease } from '../../src/store/keep-lease.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { releaseLease } from '../../src/store/release-lease.ts';
import type { Lease } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

describe('keepLease()', () => {
  let clock: FakeClock;
  let server: MemoryStore;
  let client: MemoryStore;
  let held: Lease[];
  let stop: AbortController;

  beforeEach(() => {
    clock = new FakeClock();
    server = new MemoryStore({ clock });
    client = new MemoryStore({ clock, keyspace: server.keyspace });
    held = [];
    stop = new AbortController();
  });

  /** Registers `/cells/registered/1` for as long as it may. */
  function register(failures = 0): Promise<void> {
    let left = failures;
    const options = {
      ...{ clock, ttlSeconds: 15, onTrouble: () => {} },
      obtain: (signal: AbortSignal) => client.lease(15, { signal }),
      letGo: (lease: Lease) => releaseLease(lease, clock, () => {}),
    };
    return keepLease(options, stop.signal, async (lease, signal) => {
      held.push(lease);
      if (left-- > 0) throw new Error('not yet');
      const put = { type: 'put' as const, key: '/cells/registered/1', value: '{}', leaseId: lease.id };
      await client.txn({ if: [], then: [put] }, { signal });
    });
  }
  const isRegistered = async () => (await server.get('/cells/registered/1')).kv !== undefined;

  it('keeps the key while it runs, and takes it back at once when it ends', async () => {
    const running = register();
    await clock.advance(60_000);
    expect([await isRegistered(), held.length]).to.deep.equal([true, 1]);
    stop.abort();
    await running;
    expect([await isRegistered(), clock.pendingTimers]).to.deep.equal([false, 0]);
  });

  it('registers anew, on a new lease, when the lease was lost', async () => {
    const running = register();
    await settle();
    server.expireLease(held[0]?.id ?? 0n);
    client.expireLease(held[0]?.id ?? 0n);
    expect(await isRegistered()).to.equal(false);
    await clock.advance(15_000);
    expect([await isRegistered(), held.length]).to.deep.equal([true, 2]);
    stop.abort();
    await running;
  });

  it('comes back after the store was away for longer than the lease', async () => {
    const running = register();
    await settle();
    client.disconnect();
    await clock.advance(60_000);
    expect(await isRegistered()).to.equal(false);
    client.reconnect();
    await clock.advance(15_000);
    expect(await isRegistered()).to.equal(true);
    stop.abort();
    await running;
  });

  it('tries again when registering fails, without leaving leases behind', async () => {
    const running = register(3);
    await clock.advance(30_000);
    expect(await isRegistered()).to.equal(true);
    expect(held.map((lease) => lease.lost.aborted)).to.deep.equal([true, true, true, false]);
    stop.abort();
    await running;
  });

  it('ends although the store is away', async () => {
    const running = register();
    await settle();
    client.disconnect();
    stop.abort();
    await clock.advance(2_000);
    await running;
  });
});
