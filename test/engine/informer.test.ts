import { setMaxListeners } from 'node:events';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Entry, Informer, type InformerOptions } from '../../src/engine/informer.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { type KeyRange, prefixRange, type Store, type WatchOptions } from '../../src/store/store.ts';
import { CompactedError } from '../../src/store/store-error.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

const minute = 60_000;

describe('Informer', () => {
  let clock: FakeClock;
  let server: MemoryStore;
  let client: MemoryStore;
  let registry: Registry;
  let lines: string[];
  let stop: AbortController;
  let running: Promise<void> | undefined;

  beforeEach(() => {
    clock = new FakeClock();
    server = new MemoryStore({ clock });
    client = new MemoryStore({ clock, keyspace: server.keyspace });
    registry = new Registry();
    lines = [];
    stop = new AbortController();
    running = undefined;
  });

  afterEach(async () => {
    stop.abort();
    await running;
    expect(clock.pendingTimers, 'timers left').to.equal(0);
  });

  const put = (key: string, value: string) => server.txn({ if: [], then: [{ type: 'put', key, value }] });
  const remove = (key: string) => server.txn({ if: [], then: [{ type: 'delete', key }] });

  function create(options: Partial<InformerOptions<string>> = {}) {
    const logger = createLogger({ level: 'info', format: 'json', destination: { write: (line) => lines.push(line) } });
    const metrics = new EngineMetrics(registry).informers;
    const parse = ({ value }: { value: string }) => {
      if (value === 'unreadable') throw new Error('cannot be read');
      return value;
    };
    return new Informer({
      name: 'herd',
      store: client,
      range: prefixRange('/a/'),
      parse,
      clock,
      logger,
      metrics,
      random: () => 0.5,
      ...options,
    });
  }

  /** A store whose watches hand out every batch so many times. */
  function faulty(times: () => number | Promise<number>): Store {
    return Object.create(client, {
      list: { value: client.list.bind(client) },
      get: { value: client.get.bind(client) },
      watch: {
        value: async function* (...args: Parameters<Store['watch']>) {
          for await (const batch of client.watch(...args)) {
            for (let left = await times(); left > 0; left -= 1) yield batch;
          }
        },
      },
    });
  }

  /** Everything that was handed out, in words. */
  function listen(informer: Informer<string>): string[] {
    const said: string[] = [];
    informer.onChange((change) => {
      const { key, value } = change.type === 'put' ? change.entry : change.old;
      const old = change.type === 'put' ? (change.old?.value ?? '-') : value;
      said.push(change.type === 'put' ? `${key} ${old}→${value}${change.initial ? ' initial' : ''}` : `${key} ${old}→`);
    });
    return said;
  }

  async function start(informer: Informer<string>): Promise<void> {
    running = informer.run(stop.signal);
    await settle();
  }

  const contents = (informer: Informer<string>) =>
    Object.fromEntries([...informer.entries()].map(({ key, value }) => [key, value]));

  async function metric(name: string): Promise<number | undefined> {
    const line = (await registry.metrics()).split('\n').find((text) => text.startsWith(`informer_${name} `));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  }
  const relists = (reason: string) => metric(`relists_total{resource="herd",reason="${reason}"}`);
  const missed = () => metric('missed_changes_total{resource="herd"}');

  it('hands out what is there, then every change with what was there before', async () => {
    await put('/a/1', 'x');
    await put('/b/1', 'not in the range');
    const informer = create();
    const said = listen(informer);
    expect(informer.synced).to.equal(false);
    await start(informer);
    await informer.whenSynced(stop.signal);
    await put('/a/2', 'y');
    await put('/a/1', 'z');
    await remove('/a/2');
    await settle();
    expect(said).to.deep.equal(['/a/1 -→x initial', '/a/2 -→y', '/a/1 x→z', '/a/2 y→']);
    expect(contents(informer)).to.deep.equal({ '/a/1': 'z' });
    expect(informer.revision).to.equal(server.keyspace.revision);
  });

  it('hands a late handler everything that is there', async () => {
    await put('/a/1', 'x');
    const informer = create();
    await start(informer);
    expect(listen(informer)).to.deep.equal(['/a/1 -→x initial']);
  });

  it('has updated the cache before a handler hears, and says when a batch is complete', async () => {
    const informer = create();
    await start(informer);
    const seen: unknown[] = [];
    informer.onChange(({ type }) => seen.push([type, informer.size]));
    informer.onBatch((revision) => seen.push(revision));
    const { revision } = await server.txn({
      if: [],
      then: [
        { type: 'put', key: '/a/1', value: '' },
        { type: 'put', key: '/a/2', value: '' },
      ],
    });
    await settle();
    expect(seen).to.deep.equal([['put', 1], ['put', 2], revision]);
  });

  it('misses nothing of what happened while the store was away, and does not list again', async () => {
    await put('/a/1', 'x');
    const informer = create();
    await start(informer);
    const said = listen(informer);
    said.length = 0;
    client.disconnect();
    await settle();
    expect(informer.connected).to.equal(false);
    await put('/a/1', 'y');
    await put('/a/2', 'n');
    await remove('/a/1');
    await clock.advance(5 * minute);
    expect(contents(informer), 'the last known state stays').to.deep.equal({ '/a/1': 'x' });
    expect(informer.unready()).to.match(/no contact to the store for \d+ s/);
    client.reconnect();
    await clock.advance(minute);
    expect(contents(informer)).to.deep.equal({ '/a/2': 'n' });
    expect(informer.unready()).to.equal(undefined);
    expect(await relists('initial')).to.equal(1);
    expect(await relists('compacted')).to.equal(0);
    expect(await metric('disconnects_total{resource="herd"}'), 'one line and one count for one outage').to.equal(1);
    expect(lines.filter((line) => line.includes('"msg":"watch')).length).to.equal(2);
    expect(said).to.deep.equal(['/a/1 x→y', '/a/2 -→n', '/a/1 y→']);
  });

  it('finds the difference when history was compacted meanwhile; what was recreated is one put with its old value', async () => {
    await put('/a/gone', 'x');
    await put('/a/again', 'x');
    await put('/a/same', 'x');
    const informer = create();
    await start(informer);
    const said = listen(informer);
    said.length = 0;
    client.disconnect();
    await remove('/a/gone');
    await remove('/a/again');
    await put('/a/again', 'y');
    const { revision } = await put('/a/new', 'z');
    server.compact(revision);
    client.reconnect();
    await clock.advance(minute);
    expect(said.sort()).to.deep.equal(['/a/again x→y', '/a/gone x→', '/a/new -→z', '/a/same x→x']);
    const again = informer.get('/a/again');
    expect(again?.createRevision, 'the new creation').to.equal(again?.modRevision);
    expect(await relists('compacted')).to.equal(1);
    await put('/a/new', 'more');
    await settle();
    expect(said.at(-1)).to.equal('/a/new z→more');
  });

  it('takes over the state of a store that was restored from a backup', async () => {
    for (const name of ['old', 'kept', 'gone']) await put(`/a/${name}`, 'x');
    const backup = new MemoryStore({ clock });
    for (const [name, value] of [
      ['old', 'x'],
      ['kept', 'of the same revision'],
    ] as const) {
      await backup.txn({ if: [], then: [{ type: 'put', key: `/a/${name}`, value }] });
    }
    let current = client;
    let restore = (_how: CompactedError) => {};
    const store: Store = Object.assign(Object.create(client), {
      list: (...args: Parameters<Store['list']>) => current.list(...args),
      watch: (range: KeyRange, from: bigint, options: WatchOptions) => {
        const connection = new AbortController();
        restore = (how) => connection.abort(how);
        options.signal.addEventListener('abort', () => connection.abort(options.signal.reason));
        return current.watch(range, from, { ...options, signal: connection.signal });
      },
    });
    const informer = create({ store });
    await start(informer);
    const said = listen(informer);
    said.length = 0;
    current = backup;
    restore(new CompactedError(3n));
    await settle();
    expect(said).to.deep.equal(['/a/kept x→of the same revision', '/a/old x→x', '/a/gone x→']);
    expect([await relists('rollback'), informer.revision]).to.deep.equal([1, backup.keyspace.revision]);
    await backup.txn({ if: [], then: [{ type: 'put', key: '/a/new', value: 'x' }] });
    await settle();
    expect(said.at(-1)).to.equal('/a/new -→x');
  });

  it('starts while the store is away, and fills when it comes', async () => {
    client.disconnect();
    const informer = create();
    await start(informer);
    await clock.advance(10 * minute);
    expect(informer.unready()).to.equal('herd is not synced');
    await put('/a/1', 'x');
    client.reconnect();
    await clock.advance(30_000);
    expect(contents(informer)).to.deep.equal({ '/a/1': 'x' });
  });

  it('goes on when a handler throws, and says so', async () => {
    const informer = create();
    informer.onChange(() => {
      throw new Error('handler at fault');
    });
    const said = listen(informer);
    await start(informer);
    await put('/a/1', 'x');
    await settle();
    expect(said).to.deep.equal(['/a/1 -→x']);
    expect(await metric('handler_errors_total{resource="herd"}')).to.equal(1);
    expect(lines.join('')).to.include('handler at fault');
  });

  it('keeps the old value of what cannot be read', async () => {
    await put('/a/1', 'x');
    const informer = create();
    await start(informer);
    const said = listen(informer);
    said.length = 0;
    await put('/a/1', 'unreadable');
    await put('/a/2', 'unreadable');
    await settle();
    expect(contents(informer)).to.deep.equal({ '/a/1': 'x' });
    expect(said).to.deep.equal([]);
    expect(await metric('unreadable_total{resource="herd"}')).to.equal(2);
    await clock.advance(30 * minute);
    expect(await metric('unreadable_total{resource="herd"}'), 'an audit does not read it again').to.equal(2);
    await put('/a/1', 'y');
    await remove('/a/2');
    await settle();
    expect(said).to.deep.equal(['/a/1 x→y']);
  });

  describe('with a watch that loses things', () => {
    it('finds lost puts and deletes by its audit, repairs them, and counts them', async () => {
      await put('/a/gone', 'x');
      let isLosing = false;
      const informer = create({ store: faulty(() => (isLosing ? 0 : 1)) });
      const said = listen(informer);
      await start(informer);
      isLosing = true;
      await put('/a/lost', 'x');
      await remove('/a/gone');
      await settle();
      isLosing = false;
      await put('/a/1', 'seen');
      await settle();
      said.length = 0;
      await clock.advance(20 * minute);
      expect(said.sort()).to.deep.equal(['/a/gone x→', '/a/lost -→x']);
      await clock.advance(minute);
      expect(await missed()).to.equal(2);
      expect(lines.join('')).to.include('audit found changes');
    });

    it('does not take for lost what is only late', async () => {
      await put('/a/1', 'x');
      await put('/a/2', 'x');
      const late = async () => {
        await clock.sleep(1_000);
        return 1;
      };
      const informer = create({ store: faulty(late) });
      await start(informer);
      await clock.advance(20 * minute - 500);
      await remove('/a/1');
      await put('/a/2', 'y');
      await clock.advance(minute);
      expect(contents(informer)).to.deep.equal({ '/a/2': 'y' });
      expect(await relists('audit')).to.equal(1);
      expect(await missed()).to.equal(0);
      expect(lines).to.deep.equal([]);
    });

    it('ignores what it is told twice', async () => {
      const informer = create({ store: faulty(() => 3) });
      const said = listen(informer);
      await start(informer);
      await put('/a/1', 'x');
      await settle();
      await remove('/a/1');
      await settle();
      expect(said).to.deep.equal(['/a/1 -→x', '/a/1 x→']);
    });

    it('finds out by itself that a watch has hung', async () => {
      let isHung = true;
      const informer = create({ store: faulty(() => (isHung ? 0 : 1)) });
      await start(informer);
      await put('/a/1', 'x');
      await clock.advance(20 * minute);
      expect(contents(informer)).to.deep.equal({ '/a/1': 'x' });
      isHung = false;
      await clock.advance(minute);
      await put('/a/1', 'y');
      await settle();
      expect(contents(informer), 'a new watch is open').to.deep.equal({ '/a/1': 'y' });
    });
  });

  it('ends up with the truth, and tells of every step to it, whatever gets lost on the way', async () => {
    const key = fc.constantFrom('/a/1', '/a/2', '/a/3', '/b/1');
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.tuple(fc.constant('put' as const), key) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('delete' as const), key) },
      fc.tuple(fc.constantFrom('disconnect', 'reconnect', 'compact', 'lose', 'repeat', 'deliver', 'pass'), key),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        server = new MemoryStore({ clock });
        client = new MemoryStore({ clock, keyspace: server.keyspace });
        registry = new Registry();
        let times = 1;
        const informer = create({ store: faulty(() => times) });
        const told = new Map<string, Entry<string>>();
        informer.onChange((change) => {
          const { key: name } = change.type === 'put' ? change.entry : change.old;
          expect(change.old, 'the old entry is the one told of before').to.equal(told.get(name));
          if (change.type === 'put') told.set(name, change.entry);
          else told.delete(name);
        });
        const end = new AbortController();
        const ended = informer.run(end.signal);
        for (const [count, [what, name]] of steps.entries()) {
          if (what === 'put') await put(name, String(count));
          else if (what === 'delete') await remove(name);
          else if (what === 'disconnect') client.disconnect();
          else if (what === 'reconnect') client.reconnect();
          else if (what === 'compact') server.compact((await put('/b/0', '')).revision);
          else if (what === 'pass') await clock.advance(7 * minute);
          else times = { lose: 0, deliver: 1, repeat: 2 }[what];
          await settle();
        }
        times = 1;
        client.reconnect();
        await clock.advance(31 * minute);
        end.abort();
        await ended;
        const { kvs } = await server.list(prefixRange('/a/'));
        const truth = Object.fromEntries(kvs.map(({ key: name, value }) => [name, value]));
        expect(contents(informer)).to.deep.equal(truth);
        expect([...told.values()]).to.have.deep.members([...informer.entries()]);
        expect(await metric('handler_errors_total{resource="herd"}')).to.equal(0);
      }),
      { numRuns: 50 },
    );
  });

  describe('reached() and catchUp()', () => {
    it('resolve at once for what is known, and with the event for what is not', async () => {
      const informer = create();
      await start(informer);
      const { revision } = await put('/a/1', 'x');
      await informer.reached(revision, stop.signal);
      expect(informer.get('/a/1')?.value).to.equal('x');
      await informer.reached(revision, stop.signal);
      await informer.catchUp(revision, stop.signal);
      expect(await relists('asked')).to.equal(0);
    });

    it('ask the store when no event of the range follows', async () => {
      const informer = create();
      const said = listen(informer);
      await start(informer);
      await put('/a/1', 'x');
      const { revision } = await put('/b/1', 'elsewhere');
      setMaxListeners(0, stop.signal);
      let reached = 0;
      const waiting = Array.from({ length: 50 }, () =>
        informer.reached(revision, stop.signal).then(() => (reached += 1)),
      );
      await clock.advance(1_000);
      expect(reached).to.equal(0);
      await clock.advance(1_000);
      await Promise.all(waiting);
      expect(informer.revision).to.equal(revision);
      expect(await relists('asked'), 'one list for all who wait').to.equal(1);
      expect(said).to.deep.equal(['/a/1 -→x']);

      const next = await put('/b/1', 'again');
      await informer.catchUp(next.revision, stop.signal);
      expect(informer.revision).to.equal(next.revision);
    });

    it('wait for a store that is away', async () => {
      const informer = create();
      await start(informer);
      const { revision } = await put('/b/1', '');
      client.disconnect();
      let isThere = false;
      const caughtUp = informer.catchUp(revision, stop.signal).then(() => {
        isThere = true;
      });
      await clock.advance(minute);
      expect(isThere).to.equal(false);
      client.reconnect();
      await clock.advance(minute);
      await caughtUp;
    });

    it('give up when aborted', async () => {
      const informer = create();
      await start(informer);
      const giveUp = new AbortController();
      const waiting = informer.reached(1000n, giveUp.signal).catch((error: unknown) => error);
      giveUp.abort(new Error('enough'));
      expect(await waiting).to.have.property('message', 'enough');
    });
  });
});
