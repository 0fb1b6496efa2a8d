import { expect } from 'chai';
import { openBackend } from '../../../src/kv/open-backend.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { Recorder } from '../support/recorder.ts';
import { del, put, toEnd, watch } from '../support/requests.ts';

describe('WatchHub', () => {
  const open = () => openBackend({ engine: 'memory', clock: systemClock });

  it('tells thousands of watchers, live and from history, each of its own key only', async () => {
    const backend = await open();
    const keys = Array.from({ length: 1000 }, (_, n) => `k${n}`);
    for (const key of keys) void backend.put(put(key, 'before'));
    await backend.put(put('last', ''));
    const live = keys.map((key) => new Recorder(backend, watch(key)));
    const late = keys.map((key) => new Recorder(backend, watch(key, `${key}\0`, { startRevision: 2n })));
    for (const key of keys) void backend.put(put(key, 'after'));
    await backend.put(put('last', ''));
    for (const [n, recorder] of live.entries()) {
      expect(recorder.lines).to.deep.equal([`k${n}=after@${n + 1003} v2 c${n + 2}`]);
    }
    await Promise.all(late.map((recorder) => recorder.atLeast(2)));
    expect(late.every(({ events }) => events.length === 2)).to.equal(true);
  });

  it('delivers in parts of about a megabyte, each of whole revisions and with the revision that it leads to', async () => {
    const backend = await open();
    const live = new Recorder(backend, watch('k', 'l'));
    const value = 'x'.repeat(300_000);
    await Promise.all(Array.from({ length: 20 }, (_, n) => backend.put(put(`k${n}`, value))));
    const past = new Recorder(backend, watch('k', 'l', { startRevision: 1n }));
    await past.atLeast(20);
    for (const { deliveries } of [live, past]) {
      expect(deliveries.length).to.be.above(3);
      for (const { events, revision } of deliveries) {
        expect(events.at(-1)?.kv.modRevision).to.equal(revision);
        expect(events.length).to.be.below(6);
      }
    }
  });

  it('keeps nothing for a watcher that is full, and ends it when its history is compacted', async () => {
    const backend = await open();
    const full = new Recorder(backend, watch('a'), 1);
    await backend.put(put('a', '1'));
    for (let n = 0; n < 50; n += 1) await backend.put(put('a', `${n}`));
    await backend.compact({ revision: 40n, physical: true });
    expect([full.events.length, full.watch.isSynced]).to.deep.equal([1, false]);
    full.room = Number.POSITIVE_INFINITY;
    full.watch.resume();
    expect((await full.until(() => full.compactRevision !== undefined)).compactRevision).to.equal(40n);
    full.watch.resume();
    full.watch.cancel();
    expect(full.events.length).to.equal(1);
  });

  it('survives listeners that cancel their own watch, or another one, while they are told', async () => {
    const backend = await open();
    const seen: string[] = [];
    const others = [backend.watch(watch('a'), { deliver: () => true, compacted: () => {} })];
    const first = backend.watch(watch('\0', toEnd), {
      deliver: (events) => {
        seen.push(...events.map(({ kv }) => `first ${kv.key}`));
        first.cancel();
        for (const other of others) other.cancel();
        return true;
      },
      compacted: () => {},
    });
    others.push(
      backend.watch(watch('a', 'b'), {
        deliver: (events) => {
          seen.push(...events.map(({ kv }) => `second ${kv.key}`));
          return true;
        },
        compacted: () => {},
      }),
    );
    await backend.put(put('a', '1'));
    await backend.deleteRange(del('a'));
    expect(seen).to.include('first a');
    expect(seen.filter((text) => text === 'first a').length).to.equal(1);
  });
});
