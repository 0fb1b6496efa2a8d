import { expect } from 'chai';
import type { Message } from '../../fixtures/kv/protocol.ts';
import type { Tested } from './tested.ts';

/** Watches: what one of them gets, and when. */
export function watchBehaviour(t: Tested): void {
  it('tells of puts and deletions as they happen', async () => {
    const watch = await t.watch();
    const base = await t.put('a', '1');
    await t.put('a', '2');
    await t.delete('a');
    expect(await watch.full(3)).to.deep.equal([
      { kv: t.kv('a', '1', base, base, 1) },
      { kv: t.kv('a', '2', base, base + 1, 2) },
      { type: 'DELETE', kv: { key: t.key('a'), mod_revision: String(base + 2) } },
    ]);
  });

  it('created comes first and carries the revision of the store', async () => {
    const base = await t.put('a');
    const watch = t.openWatch(t.all());
    expect(await watch.next()).to.deep.equal({ header: { revision: String(base) }, created: true });
  });

  it('an event’s answer carries a revision that is at least the event’s', async () => {
    const watch = await t.watch();
    const base = await t.put('a', '1');
    expect(await watch.next()).to.deep.equal({
      header: { revision: String(base) },
      events: [{ kv: t.kv('a', '1', base, base, 1) }],
    });
  });

  it('replays from a past revision, then goes on, each event once and in order', async () => {
    const base = await t.put('a', '1');
    await t.put('b', '2');
    await t.delete('a');
    const watch = await t.watch({ start_revision: String(base + 1) });
    expect(await watch.events(2, base)).to.deep.equal(['b=2@1', '-a@2']);
    await t.put('c', '3');
    expect(await watch.events(1, base)).to.deep.equal(['c=3@3']);
    const again = await t.watch({ start_revision: '1' });
    void again;
  });

  it('a start in the future waits for it', async () => {
    const base = await t.revision();
    const watch = await t.watch({ start_revision: String(base + 3) });
    for (const value of ['1', '2', '3', '4']) await t.put('a', value);
    expect(await watch.events(2, base)).to.deep.equal(['a=3@3', 'a=4@4']);
  });

  it('a negative start counts as compacted', async () => {
    const watch = await t.watch({ start_revision: '-7' });
    expect(await watch.next()).to.deep.include({ canceled: true });
  });

  it('watches one key, and nothing beside it', async () => {
    const watch = t.openWatch({ key: t.key('b') });
    await watch.next();
    const base = await t.put('a');
    await t.put('b\0');
    await t.put('bb');
    await t.put('b', '1');
    expect(await watch.events(1, base)).to.deep.equal(['b=1@3']);
  });

  it('watches all keys from one on when the end is a zero byte, and everything with an empty key', async () => {
    const from = t.openWatch({ key: t.key('b'), range_end: '\0' });
    const all = t.openWatch({ key: '', range_end: '\0' });
    await from.next();
    await all.next();
    const base = await t.put('a', '1');
    await t.put('c', '2');
    expect(await from.events(1, base)).to.deep.equal(['c=2@1']);
    expect(await all.events(2, base)).to.deep.equal(['a=1@0', 'c=2@1']);
  });

  it('an empty range is created and cancelled at once', async () => {
    for (const range_end of [t.key('a'), t.key('b')]) {
      const base = await t.revision();
      const watch = t.openWatch({ key: t.key('b'), range_end });
      expect(await watch.next()).to.deep.equal({
        header: { revision: String(base) },
        watch_id: '-1',
        created: true,
        canceled: true,
        cancel_reason: 'mvcc: watcher range is empty',
      });
    }
  });

  it('all events of a transaction come in one answer, in the order of its operations', async () => {
    const base = await t.put('z');
    const watch = await t.watch();
    await t.ask('KV/Txn', {
      success: [
        { request_put: { key: t.key('b'), value: '1' } },
        { request_delete_range: { key: t.key('z') } },
        { request_txn: { success: [{ request_put: { key: t.key('a'), value: '2' } }] } },
        { request_put: { key: t.key('c'), value: '3' } },
      ],
    });
    const answer = await watch.next();
    expect(watch.short(answer, base)).to.deep.equal(['b=1@1', '-z@1', 'a=2@1', 'c=3@1']);
  });

  it('a key that is put and deleted in one transaction is told of as both', async () => {
    const base = await t.put('x', '0');
    const watch = await t.watch({ start_revision: String(base + 1) });
    await t.ask('KV/Txn', {
      success: [{ request_delete_range: t.all() }, { request_delete_range: t.all() }],
    });
    await t.put('y');
    expect(await watch.events(2, base)).to.deep.equal(['-x@1', 'y=@2']);
  });

  it('deleted ranges are told of key by key, in key order', async () => {
    for (const name of ['c', 'a', 'b']) await t.put(name);
    const watch = await t.watch();
    const { header } = await t.ask('KV/DeleteRange', t.all());
    const answer = await watch.next();
    expect(watch.short(answer, Number(header.revision))).to.deep.equal(['-a@0', '-b@0', '-c@0']);
  });

  it('prev_kv tells what was there before', async () => {
    const base = await t.put('a', '1');
    const watch = await t.watch({ prev_kv: true, start_revision: String(base) });
    await t.put('a', '2');
    await t.delete('a');
    expect(await watch.full(3)).to.deep.equal([
      { kv: t.kv('a', '1', base, base, 1) },
      { kv: t.kv('a', '2', base, base + 1, 2), prev_kv: t.kv('a', '1', base, base, 1) },
      {
        type: 'DELETE',
        kv: { key: t.key('a'), mod_revision: String(base + 2) },
        prev_kv: t.kv('a', '2', base, base + 1, 2),
      },
    ]);
  });

  it('filters leave out puts, or deletions, or both', async () => {
    const noPut = await t.watch({ filters: ['NOPUT'] });
    const noDelete = await t.watch({ filters: ['NODELETE'] });
    const base = await t.put('a', '1');
    await t.delete('a');
    await t.put('a', '2');
    await t.delete('a');
    expect(await noPut.events(2, base)).to.deep.equal(['-a@1', '-a@3']);
    expect(await noDelete.events(2, base)).to.deep.equal(['a=1@0', 'a=2@2']);
    const replayed = await t.watch({ filters: ['NOPUT'], start_revision: String(base) });
    expect(await replayed.events(2, base)).to.deep.equal(['-a@1', '-a@3']);
  });

  it('events carry the lease of the key', async () => {
    const lease = await t.grant(100);
    const watch = await t.watch();
    const base = await t.put('a', '', { lease });
    expect(await watch.full(1)).to.deep.equal([{ kv: t.kv('a', '', base, base, 1, lease) }]);
    await t.ask('Lease/LeaseRevoke', { ID: lease });
    expect(await watch.events(1, base)).to.deep.equal(['-a@1']);
  });

  it('a long history comes whole: every revision once, none split, revisions of answers never fall', async () => {
    const base = await t.revision();
    for (let i = 0; i < 120; i++) {
      const puts = ['a', 'b', 'c'].map((name) => ({ request_put: { key: t.key(name), value: 'x'.repeat(4000) } }));
      await t.ask('KV/Txn', { success: puts });
    }
    const watch = await t.watch({ start_revision: String(base + 1) });
    const events = await watch.full(360);
    const revisions = events.map(({ kv }) => Number(kv.mod_revision) - base);
    expect(revisions).to.deep.equal(Array.from({ length: 360 }, (_, i) => 1 + Math.floor(i / 3)));
    let last = 0;
    for (const { header, events: some } of watch.responses.slice(1)) {
      expect(Number(header.revision))
        .to.be.at.least(Number(some.at(-1).kv.mod_revision))
        .and.at.least(last);
      expect(some.length % 3).to.equal(0);
      last = Number(header.revision);
    }
  });

  if (t.manyPerStream) manyWatchesPerStream(t);
}

/** What only a stream in both directions can ask for. */
function manyWatchesPerStream(t: Tested): void {
  const create = (rest: Message = {}) => ({ create_request: t.all(rest) });

  it('numbers the watches of a stream from 0', async () => {
    const base = await t.revision();
    const watch = t.openWatch(t.all());
    watch.send(create());
    watch.send(create());
    const header = { revision: String(base) };
    expect([await watch.next(), await watch.next(), await watch.next()]).to.deep.equal([
      { header, created: true },
      { header, watch_id: '1', created: true },
      { header, watch_id: '2', created: true },
    ]);
    await t.put('a', '1');
    const ids = [await watch.next(), await watch.next(), await watch.next()].map(({ watch_id = '0' }) => watch_id);
    expect(ids.sort()).to.deep.equal(['0', '1', '2']);
  });

  it('takes a number that the client chose, refuses it twice, and goes round it with its own', async () => {
    const base = await t.revision();
    const header = { revision: String(base) };
    const watch = t.openWatch(t.all({ watch_id: '1' }));
    expect(await watch.next()).to.deep.equal({ header, watch_id: '1', created: true });
    watch.send(create({ watch_id: '1' }));
    expect(await watch.next()).to.deep.equal({
      header,
      watch_id: '-1',
      created: true,
      canceled: true,
      cancel_reason: 'mvcc: duplicate watch ID provided on the WatchStream',
    });
    watch.send(create());
    watch.send(create());
    expect(await watch.next()).to.deep.equal({ header, created: true });
    expect(await watch.next()).to.deep.equal({ header, watch_id: '2', created: true });
  });

  it('cancel ends one watch of the stream and says so; of an unknown one it says nothing', async () => {
    const watch = t.openWatch(t.all());
    watch.send(create());
    await watch.next();
    await watch.next();
    watch.send({ cancel_request: { watch_id: '77' } });
    watch.send({ cancel_request: { watch_id: '0' } });
    const base = await t.revision();
    expect(await watch.next()).to.deep.equal({ header: { revision: String(base) }, canceled: true });
    await t.put('a', '1');
    const event = await watch.next();
    expect(event['watch_id']).to.equal('1');
    expect(watch.short(event, base)).to.deep.equal(['a=1@1']);
  });

  it('a number can be used again after its watch was cancelled', async () => {
    const watch = t.openWatch(t.all({ watch_id: '5' }));
    await watch.next();
    watch.send({ cancel_request: { watch_id: '5' } });
    await watch.next();
    watch.send(create({ watch_id: '5' }));
    expect(await watch.next())
      .to.deep.include({ watch_id: '5', created: true })
      .and.not.have.property('canceled');
  });

  it('answers a progress request with watch id -1 and a revision that all watches have reached', async () => {
    const watch = t.openWatch(t.all());
    await watch.next();
    const base = await t.put('a', '1');
    await watch.events(1, base);
    watch.send({ progress_request: {} });
    expect(await watch.next()).to.deep.equal({ header: { revision: String(base) }, watch_id: '-1' });
  });

  it('a cancelled watch of a compacted revision leaves the others of its stream alone', async () => {
    const base = await t.put('a', '1');
    await t.put('a', '2');
    const watch = t.openWatch(t.all());
    await watch.next();
    await t.ask('KV/Compact', { revision: String(base + 1) });
    watch.send(create({ start_revision: String(base) }));
    expect(await watch.next()).to.deep.include({ watch_id: '1', created: true });
    const canceled = await watch.next();
    expect(canceled).to.deep.include({ watch_id: '1', canceled: true, compact_revision: String(base + 1) });
    await t.put('b', '3');
    expect(await watch.events(1, base)).to.deep.equal(['b=3@2']);
  });

  it('goes on after the client has said that it sends no more', async () => {
    const watch = await t.watch();
    watch.endSending();
    const base = await t.put('a', '1');
    expect(await watch.events(1, base)).to.deep.equal(['a=1@0']);
  });

  it('splits large answers when the client asks for fragments, and says which are not the last', async () => {
    const watch = t.openWatch(t.all({ fragment: true }));
    await watch.next();
    const base = await t.revision();
    const value = 'x'.repeat(12_000);
    const puts = Array.from({ length: 120 }, (_, i) => ({ request_put: { key: t.key(String(i)), value } }));
    await t.ask('KV/Txn', { success: puts });
    const events = await watch.full(120);
    expect(events.every(({ kv }) => Number(kv.mod_revision) === base + 1)).to.equal(true);
    const fragments = watch.responses.slice(1);
    expect(fragments.at(-1)).to.not.have.property('fragment');
    for (const each of fragments.slice(0, -1)) expect(each['fragment']).to.equal(true);
  });
}
