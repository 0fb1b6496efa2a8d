import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';
import { RouterRegistration } from '../../src/router/router-registration.ts';
import type { RouterId } from '../../src/schema/ids.ts';
import { routerKey } from '../../src/schema/routing.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

const router = 'r1' as RouterId;
const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr });
const saying = (revision: number) => ({
  ...{ router, address: 'db.example.com', refused_ports: [], ports: '30000-30009', version: '1' },
  applied_revision: String(revision),
});

describe('RouterRegistration', () => {
  let clock: FakeClock;
  let store: MemoryStore;
  let registration: RouterRegistration;
  let stop: AbortController;
  let ended: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    store = new MemoryStore({ clock });
    registration = new RouterRegistration({ store, clock, logger, router });
    stop = new AbortController();
    ended = registration.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await settle();
    await ended;
    await store.close();
  });

  const said = async () => {
    const { kv } = await store.get(routerKey(router));
    return kv && (JSON.parse(kv.value) as { applied_revision: string }).applied_revision;
  };

  it('says at once what is live, and a storm of changes twenty times a second at most', async () => {
    registration.say(saying(1));
    await settle();
    expect(await said()).to.equal('1');
    const { revision } = await store.get('/');
    for (let i = 2; i <= 1000; i++) {
      registration.say(saying(i));
      await clock.advance(1);
    }
    await clock.advance(50);
    expect(await said()).to.equal('1000');
    expect(Number((await store.get('/')).revision - revision)).to.be.within(18, 21);
  });

  it('writes nothing at rest', async () => {
    registration.say(saying(1));
    await clock.advance(100);
    const { revision } = await store.get('/');
    registration.say(saying(1));
    await clock.advance(60_000);
    expect((await store.get('/')).revision).to.equal(revision);
  });

  it('takes back what it said while routes are not live', async () => {
    registration.say(saying(1));
    await clock.advance(100);
    registration.say(undefined);
    await clock.advance(100);
    expect(await said()).to.equal(undefined);
    registration.say(saying(2));
    await clock.advance(100);
    expect(await said()).to.equal('2');
  });

  it('says it again on a new lease when the old one was lost', async () => {
    registration.say(saying(1));
    await clock.advance(100);
    const { kv } = await store.get(routerKey(router));
    store.expireLease(kv?.leaseId as bigint);
    expect(await said()).to.equal(undefined);
    await clock.advance(30_000);
    expect(await said()).to.equal('1');
  });
});
