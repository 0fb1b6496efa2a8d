import { expect } from 'chai';
import { EventRecorder } from '../../src/engine/event-recorder.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { eventsPrefix, type HerdEvent, parseEvent } from '../../src/schema/event.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { prefixRange } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

describe('EventRecorder', () => {
  let clock: FakeClock;
  let server: MemoryStore;
  let client: MemoryStore;
  let recorder: EventRecorder;
  let stop: AbortController;
  let running: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    server = new MemoryStore({ clock });
    client = new MemoryStore({ clock, keyspace: server.keyspace });
    const logger = createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } });
    recorder = new EventRecorder({ store: client, source: 'controller', clock, logger });
    stop = new AbortController();
    running = recorder.run(stop.signal);
  });

  afterEach(async () => {
    stop.abort();
    await clock.advance(2_000);
    await running;
  });

  const say = (message: string) =>
    recorder.record({ type: 'Normal', reason: 'Placed', object: 'instance/f1', message });
  async function written(): Promise<HerdEvent[]> {
    const { kvs } = await server.list(prefixRange(eventsPrefix));
    return kvs.map(({ value }) => {
      const parsed = parseEvent(value);
      if (!parsed.ok) throw new Error(parsed.problem);
      return parsed.value;
    });
  }
  const messages = async () => (await written()).map(({ message }) => message);

  it('writes what happened, in order, in one transaction for what came together', async () => {
    const before = server.keyspace.revision;
    say('first');
    say('second');
    await clock.advance(1_000);
    expect(await written()).to.deep.equal([
      {
        time: '2026-01-01T00:00:00.000Z',
        type: 'Normal',
        reason: 'Placed',
        object: 'instance/f1',
        message: 'first',
        source: 'controller',
      },
      {
        time: '2026-01-01T00:00:00.000Z',
        type: 'Normal',
        reason: 'Placed',
        object: 'instance/f1',
        message: 'second',
        source: 'controller',
      },
    ]);
    expect(server.keyspace.revision).to.equal(before + 1n);
  });

  it('says the same thing again only after ten minutes', async () => {
    for (let i = 0; i < 5; i += 1) say('same');
    await clock.advance(599_000);
    say('same');
    await clock.advance(1_000);
    expect(await messages()).to.have.length(1);
    say('same');
    await clock.advance(1_000);
    expect(await messages()).to.have.length(2);
  });

  it('hangs events on leases that nobody renews, one for those of ten minutes', async () => {
    say('first');
    await clock.advance(1_000);
    say('second');
    await clock.advance(600_000);
    say('third');
    await clock.advance(1_000);
    const { kvs } = await server.list(prefixRange(eventsPrefix));
    const leases = kvs.map(({ leaseId }) => leaseId);
    expect(leases).to.not.include(0n);
    expect([leases[0] === leases[1], leases[1] === leases[2]]).to.deep.equal([true, false]);
    await clock.advance(3_600_000);
    expect(await messages()).to.deep.equal([]);
  });

  it('keeps the newest thousand while the store is away, and holds nobody up', async () => {
    client.disconnect();
    for (let i = 0; i < 1_500; i += 1) say(`event ${i}`);
    await clock.advance(60_000);
    client.reconnect();
    await clock.advance(60_000);
    const all = await messages();
    expect([all.length, all[0], all.at(-1)]).to.deep.equal([1_000, 'event 500', 'event 1499']);
  });

  it('writes what is left when it is stopped', async () => {
    say('last words');
    await settle();
    stop.abort();
    await running;
    expect(await messages()).to.deep.equal(['last words']);
  });

  it('shows no password', async () => {
    say('cannot reach postgres://admin:hunter2@127.0.0.1:5432/postgres');
    await clock.advance(1_000);
    expect(await messages()).to.deep.equal(['cannot reach postgres://admin:***@127.0.0.1:5432/postgres']);
  });
});
