import { expect } from 'chai';
import type { Backend } from '../../../src/kv/backend.ts';
import { LocalLessor } from '../../../src/kv/lease/local-lessor.ts';
import { GroupCommit } from '../../../src/kv/mvcc/group-commit.ts';
import { openBackend } from '../../../src/kv/open-backend.ts';
import { openMemoryEngine } from '../../../src/kv/storage/memory.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';
import { Recorder } from '../support/recorder.ts';
import { put, toEnd, watch } from '../support/requests.ts';

describe('LocalLessor', () => {
  let clock: FakeClock;
  let backend: Backend;
  let stopping: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    clock = new FakeClock();
    backend = await openBackend({ engine: 'memory', clock });
    stopping = new AbortController();
    running = backend.run(stopping.signal);
  });
  afterEach(async () => {
    stopping.abort();
    await running;
    expect(clock.pendingTimers).to.equal(0);
  });

  it('deletes all keys of a lease in one revision when its time is over, and not before', async () => {
    await backend.leaseGrant({ id: 5n, ttl: 10n });
    for (const key of ['b', 'a', 'c']) await backend.put(put(key, '1', { lease: 5n }));
    const recorder = new Recorder(backend, watch('\0', toEnd));
    await clock.advance(9_999);
    expect(recorder.lines).to.deep.equal([]);
    expect((await backend.leaseTimeToLive(5n, false)).ttl).to.equal(0n);
    await clock.advance(1);
    expect(await recorder.atLeast(3)).to.deep.equal(['-a@5', '-b@5', '-c@5']);
    expect([await backend.leases(), await backend.leaseKeepAlive(5n)]).to.deep.equal([[], 0n]);
  });

  it('keeps a lease that is renewed, and lists leases by when they end', async () => {
    await backend.leaseGrant({ id: 5n, ttl: 10n });
    await backend.leaseGrant({ id: 6n, ttl: 30n });
    for (let n = 0; n < 10; n += 1) {
      await clock.advance(6000);
      expect(await backend.leaseKeepAlive(5n)).to.equal(10n);
      if (n % 2 === 0) expect(await backend.leaseKeepAlive(6n)).to.equal(30n);
    }
    expect(await backend.leases()).to.deep.equal([5n, 6n]);
    await clock.advance(10_000);
    expect(await backend.leases()).to.deep.equal([6n]);
  });

  it('ends many leases with few timers', async () => {
    await Promise.all(
      Array.from({ length: 900 }, (_, n) => backend.leaseGrant({ id: BigInt(n + 1), ttl: 5n + BigInt(n % 3) })),
    );
    expect(clock.pendingTimers).to.be.below(4);
    await clock.advance(5000);
    expect((await backend.leases()).length).to.equal(600);
    await clock.advance(2000);
    expect(await backend.leases()).to.deep.equal([]);
  });

  it('a healthy lease costs no writes; a neglected one is written down, and its renewal too', async () => {
    const engine = await openMemoryEngine();
    let writes = 0;
    const commits = new GroupCommit(engine, () => {
      writes += 1;
    });
    const lessor = new LocalLessor({ engine, commits, clock, newId: () => 1n });
    const stop = new AbortController();
    const lessorRuns = lessor.run(stop.signal);
    await lessor.grant({ id: 5n, ttl: 60n });
    for (let n = 0; n < 20; n += 1) {
      await clock.advance(20_000);
      await lessor.keepAlive(5n);
    }
    expect(writes).to.equal(1);
    await clock.advance(45_000);
    const neglected = engine.leases();
    expect(writes).to.be.within(2, 6);
    // Never less than what is left, so that a crash ends no lease too early.
    expect((await neglected)[0]?.remainingMs).to.be.within(15_000, 25_000);
    expect(await lessor.keepAlive(5n)).to.equal(60n);
    expect((await engine.leases())[0]?.remainingMs).to.equal(60_000);
    await clock.advance(7000);
    stop.abort();
    await lessorRuns;
    expect((await engine.leases())[0]?.remainingMs).to.equal(53_000);
  });
});
