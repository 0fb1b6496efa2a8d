import { expect } from 'chai';
import { MemoryStore } from '../../src/store/memory.ts';
import { type Clock, sleepOn } from '../../src/time/clock.ts';
import { storeContract } from '../contract/store.ts';

/** A clock that stands until it is told to go. */
class ManualClock implements Clock {
  #ms = 0;
  readonly #timers = new Map<object, { readonly at: number; readonly callback: () => void }>();

  now = () => this.#ms;
  monotonic = () => this.#ms;
  sleep = (ms: number, signal?: AbortSignal) => sleepOn(this, ms, signal);

  after(ms: number, callback: () => void): () => void {
    const id = {};
    this.#timers.set(id, { at: this.#ms + ms, callback });
    return () => this.#timers.delete(id);
  }

  advance(ms: number): void {
    this.#ms += ms;
    for (const [id, { at, callback }] of this.#timers) {
      if (at <= this.#ms && this.#timers.delete(id)) callback();
    }
  }
}

describe('MemoryStore', () => {
  const clock = new ManualClock();

  storeContract(async () => {
    const store = new MemoryStore({ clock });
    return {
      store,
      other: new MemoryStore({ clock, keyspace: store.keyspace }),
      compact: async (revision) => store.compact(revision),
      pass: async (seconds) => clock.advance(seconds * 1000),
    };
  });

  describe('disconnect()', () => {
    const range = { start: '/', end: '0' };

    it('makes calls fail, lets a watch report it, and after reconnect() the watch has lost nothing', async () => {
      const store = new MemoryStore({ clock });
      const other = new MemoryStore({ clock, keyspace: store.keyspace });
      const abort = new AbortController();
      const reports: string[] = [];
      const watch = store.watch(range, 2n, {
        signal: abort.signal,
        onConnect: () => reports.push('connected'),
        onDisconnect: () => reports.push('disconnected'),
      });
      const next = watch.next();
      store.disconnect();
      await other.txn({ if: [], then: [{ type: 'put', key: '/a', value: '1' }] });
      expect(await store.get('/a').catch((error) => error.code)).to.equal('unavailable');
      store.reconnect();
      expect((await next).value?.revision).to.equal(2n);
      expect(reports).to.deep.equal(['connected', 'disconnected', 'connected']);
      abort.abort();
    });

    it('tells the holder of a lease before another client could see its keys gone', async () => {
      const store = new MemoryStore({ clock });
      const other = new MemoryStore({ clock, keyspace: store.keyspace });
      const lease = await store.lease(15);
      await store.txn({ if: [], then: [{ type: 'put', key: '/a', value: '1', leaseId: lease.id }] });
      let seen: unknown = 'not lost';
      lease.lost.addEventListener('abort', () => {
        seen = store.keyspace.get('/a');
      });
      store.disconnect();
      clock.advance(14_999);
      expect(lease.lost.aborted).to.equal(false);
      clock.advance(1);
      expect(seen).to.have.property('value', '1');
      expect((await other.get('/a')).kv).to.equal(undefined);
    });
  });

  it('expireLease() takes the keys at once, and the holder learns when it would have renewed', async () => {
    const store = new MemoryStore({ clock });
    const lease = await store.lease(15);
    await store.txn({ if: [], then: [{ type: 'put', key: '/a', value: '1', leaseId: lease.id }] });
    store.expireLease(lease.id);
    expect((await store.get('/a')).kv).to.equal(undefined);
    expect(lease.lost.aborted).to.equal(false);
    clock.advance(5000);
    expect(lease.lost.aborted).to.equal(true);
  });
});
