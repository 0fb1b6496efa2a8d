import { expect } from 'chai';
import type { Tested } from './tested.ts';

const compacted = 'etcdserver: mvcc: required revision has been compacted';
const future = 'etcdserver: mvcc: required revision is a future revision';

/** Compaction, and what is left of the past after it. */
export function compactBehaviour(t: Tested): void {
  const compact = (revision: number, rest = {}) => t.ask('KV/Compact', { revision: String(revision), ...rest });

  it('compact() forgets what was before, keeps the newest version up to it, and takes no revision', async () => {
    const base = await t.put('a', '1');
    await t.put('a', '2');
    await t.put('b', '1');
    await t.put('a', '3');
    expect(await compact(base + 2, { physical: true })).to.deep.equal({ header: { revision: String(base + 3) } });
    await t.refused('OutOfRange', compacted, () => t.range({ revision: String(base + 1) }));
    expect(await t.range({ revision: String(base + 2) })).to.deep.include({
      kvs: [t.kv('a', '2', base, base + 1, 2), t.kv('b', '1', base + 2, base + 2, 1)],
    });
    expect(await t.get('a')).to.deep.equal(t.kv('a', '3', base, base + 3, 3));
    expect(await t.revision()).to.equal(base + 3);
  });

  it('compact() refuses what is compacted already, and the future', async () => {
    const base = await t.put('a');
    await compact(base);
    await t.refused('OutOfRange', compacted, () => compact(base));
    await t.refused('OutOfRange', compacted, () => compact(base - 1));
    await t.refused('OutOfRange', compacted, () => compact(0));
    await t.refused('OutOfRange', compacted, () => compact(-1));
    await t.refused('OutOfRange', future, () => compact(base + 1));
    await t.refused('OutOfRange', future, () => t.ask('KV/Compact', { revision: '9223372036854775807' }));
  });

  it('compact() drops keys that were deleted before it, and those deleted at it', async () => {
    await t.put('a');
    const base = await t.delete('a');
    await compact(base);
    expect(await t.range({ revision: String(base) })).to.deep.equal({ header: { revision: String(base) } });
    const again = await t.put('a');
    expect(await t.get('a')).to.deep.equal(t.kv('a', '', again, again, 1));
  });

  it('a transaction refuses to read what is compacted, and leaves nothing behind', async () => {
    const base = await t.put('a');
    await t.put('a');
    await compact(base + 1);
    await t.refused('OutOfRange', compacted, () =>
      t.ask('KV/Txn', {
        success: [{ request_put: { key: t.key('b') } }, { request_range: { key: t.key('a'), revision: String(base) } }],
      }),
    );
    expect(await t.names()).to.deep.equal(['a']);
  });

  it('a watch from a compacted revision is created, then cancelled with the compact revision', async () => {
    const base = await t.put('a', '1');
    await t.put('a', '2');
    await compact(base + 1);
    const watch = await t.watch({ start_revision: String(base) });
    expect(await watch.next()).to.deep.include({ canceled: true, compact_revision: String(base + 1) });
  });

  it('a watch from the compact revision itself gets that revision and all later ones', async () => {
    const base = await t.put('a', '1');
    await t.put('a', '2');
    await t.put('b', '3');
    await compact(base + 1);
    const watch = await t.watch({ start_revision: String(base + 1) });
    expect(await watch.events(2, base)).to.deep.equal(['a=2@1', 'b=3@2']);
  });

  it('a watch that follows the present is not touched by compaction', async () => {
    const watch = await t.watch();
    const base = await t.put('a', '1');
    await compact(base);
    await t.put('a', '2');
    expect(await watch.events(2, base)).to.deep.equal(['a=1@0', 'a=2@1']);
  });
}
