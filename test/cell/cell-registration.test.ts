import { expect } from 'chai';
import { keepRegistered } from '../../src/cell/cell-registration.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { type CellRegistration, registeredKey } from '../../src/schema/cell.ts';
import type { CellId } from '../../src/schema/ids.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Lease } from '../../src/store/store.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

const cell = 'cell-1' as CellId;
const described: CellRegistration = {
  ...{ cell, hostname: 'host', address: '10.0.0.1', zone: 'z1', labels: {}, runtime: 'simulated', version: '1' },
  ...{ capacity: { nodes: 1, memory_mb: 1 }, boot_id: 'b' },
};
const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr });

describe('keepRegistered()', () => {
  let clock: FakeClock;
  let server: MemoryStore;
  let store: MemoryStore;
  let problem: string | undefined;
  let looks: number;
  let leases: Lease[];
  let stop: AbortController;
  let ended: Promise<void>;

  beforeEach(async () => {
    clock = new FakeClock();
    server = new MemoryStore({ clock });
    store = new MemoryStore({ clock, keyspace: server.keyspace });
    problem = undefined;
    looks = 0;
    leases = [];
    stop = new AbortController();
    ended = keepRegistered(
      {
        ...{ store, clock, logger, cell },
        onLease: (lease) => leases.push(lease),
        async look(signal) {
          await store.identity({ signal });
          looks += 1;
        },
        describe: () => ({ ...described, ...(problem && { problem }) }),
      },
      stop.signal,
    );
    await clock.advance(100);
  });
  afterEach(async () => {
    stop.abort();
    await clock.advance(2_000);
    await ended;
  });
  const registered = async () => (await server.get(registeredKey(cell))).kv;
  const said = async () => JSON.parse((await registered())?.value ?? 'null') as CellRegistration | null;

  it('hangs the registration on the lease that bindings hang on, and writes nothing at rest', async () => {
    const kv = await registered();
    expect(kv?.leaseId).to.equal(leases[0]?.id);
    await clock.advance(60_000);
    expect((await registered())?.modRevision).to.equal(kv?.modRevision);
    expect(looks).to.equal(13);
  });

  it('says within seconds what is wrong, and that it is not any more', async () => {
    problem = 'the disk is full';
    await clock.advance(5_000);
    expect((await said())?.problem).to.equal('the disk is full');
    problem = undefined;
    await clock.advance(5_000);
    expect(await said()).to.not.have.property('problem');
  });

  it('looks around before it says anything on a new lease: the store may be another', async () => {
    store.disconnect();
    await clock.advance(60_000);
    expect(await said()).to.equal(null);
    problem = 'another store';
    store.reconnect();
    const revision = server.keyspace.revision;
    await clock.advance(10_000);
    const kv = await registered();
    expect(kv?.modRevision).to.equal(revision + 1n);
    expect((await said())?.problem).to.equal('another store');
  });

  it('is gone at once when the agent ends', async () => {
    stop.abort();
    await ended;
    expect(await said()).to.equal(null);
  });
});
