import { expect } from 'chai';
import type { Message } from '../../fixtures/kv/protocol.ts';
import type { Tested } from './tested.ts';

/** What a range answers, with every option. */
export function rangeBehaviour(t: Tested): void {
  it('range() answers a pair with its revisions, version and value, and the revision of the store', async () => {
    const first = await t.put('a', '1');
    const second = await t.put('a', '2');
    const third = await t.put('b', '3');
    expect(await t.ask('KV/Range', { key: t.key('a') })).to.deep.equal({
      header: { revision: String(third) },
      kvs: [t.kv('a', '2', first, second, 2)],
      count: '1',
    });
  });

  it('range() of nothing answers the header alone', async () => {
    const revision = await t.put('a');
    const empty = { header: { revision: String(revision) } };
    expect(await t.ask('KV/Range', { key: t.key('absent') })).to.deep.equal(empty);
    expect(await t.ask('KV/Range', { key: t.key('x'), range_end: t.key('z') })).to.deep.equal(empty);
    expect(await t.ask('KV/Range', { key: t.key('b'), range_end: t.key('a') })).to.deep.equal(empty);
    expect(await t.ask('KV/Range', { key: t.key('a'), range_end: t.key('a') })).to.deep.equal(empty);
  });

  it('range() ends before range_end; a zero byte as range_end is the end of all keys', async () => {
    for (const name of ['a', 'b', 'c']) await t.put(name);
    const names = async (request: Message) =>
      (await t.ask('KV/Range', request))['kvs'].map(({ key }: Message) => key.slice(t.prefix.length));
    expect(await names({ key: t.key('a'), range_end: t.key('c') })).to.deep.equal(['a', 'b']);
    const from = (await t.ask('KV/Range', { key: t.key('b'), range_end: '\0' }))['kvs'].map((kv: Message) => kv['key']);
    expect(from.slice(0, 2)).to.deep.equal([t.key('b'), t.key('c')]);
    const everything = await t.ask('KV/Range', { key: '\0', range_end: '\0', count_only: true });
    const fromZero = await t.ask('KV/Range', { key: '\0', range_end: '\xff', count_only: true });
    expect(everything['count']).to.equal(fromZero['count']);
    expect(Number(everything['count'])).to.be.greaterThan(2);
  });

  it('range() orders keys by their bytes', async () => {
    for (const name of ['b', 'a\0', 'a', 'a\xff', 'B', 'a\x7f', 'a\x80', 'aa']) await t.put(name);
    expect(await t.names()).to.deep.equal(['B', 'a', 'a\0', 'aa', 'a\x7f', 'a\x80', 'a\xff', 'b']);
  });

  it('range() refuses an empty key', async () => {
    await t.refused('InvalidArgument', 'etcdserver: key is not provided', () => t.ask('KV/Range', { key: '' }));
    await t.refused('InvalidArgument', 'etcdserver: key is not provided', () =>
      t.ask('KV/Range', { key: '', range_end: '\0' }),
    );
  });

  it('limit cuts the answer and says more; count counts all', async () => {
    const base = await t.revision();
    for (const name of ['a', 'b', 'c']) await t.put(name);
    expect(await t.range({ limit: '2' })).to.deep.equal({
      header: { revision: String(base + 3) },
      kvs: [t.kv('a', '', base + 1, base + 1, 1), t.kv('b', '', base + 2, base + 2, 1)],
      more: true,
      count: '3',
    });
    expect(await t.range({ limit: '3' })).to.not.have.property('more');
    for (const limit of ['0', '-1', '-9223372036854775808']) {
      expect(await t.range({ limit }))
        .to.have.property('kvs')
        .with.length(3);
    }
  });

  it('count_only answers no pairs, keys_only no values', async () => {
    const base = await t.revision();
    for (const name of ['a', 'b']) await t.put(name, 'x');
    const header = { revision: String(base + 2) };
    expect(await t.range({ count_only: true })).to.deep.equal({ header, count: '2' });
    expect(await t.range({ count_only: true, limit: '1' })).to.deep.equal({ header, count: '2' });
    expect(await t.range({ keys_only: true })).to.deep.equal({
      header,
      kvs: [t.kv('a', '', base + 1, base + 1, 1), t.kv('b', '', base + 2, base + 2, 1)],
      count: '2',
    });
  });

  it('sorts by each target in both orders, before the limit cuts', async () => {
    await t.put('a', '3');
    await t.put('b', '1');
    await t.put('c', '2');
    await t.put('b', '1');
    await t.put('b', '1');
    await t.put('c', '2');
    const sorted = (sort_target: string, sort_order: string, rest: Message = {}) =>
      t.names({ sort_target, sort_order, ...rest });
    expect(await sorted('KEY', 'DESCEND')).to.deep.equal(['c', 'b', 'a']);
    expect(await sorted('KEY', 'DESCEND', { limit: '2' })).to.deep.equal(['c', 'b']);
    expect(await sorted('VERSION', 'ASCEND')).to.deep.equal(['a', 'c', 'b']);
    expect(await sorted('CREATE', 'DESCEND')).to.deep.equal(['c', 'b', 'a']);
    expect(await sorted('MOD', 'ASCEND')).to.deep.equal(['a', 'b', 'c']);
    expect(await sorted('MOD', 'DESCEND', { limit: '1' })).to.deep.equal(['c']);
    expect(await sorted('VALUE', 'ASCEND')).to.deep.equal(['b', 'c', 'a']);
    expect(await sorted('VALUE', 'DESCEND', { keys_only: true })).to.deep.equal(['a', 'c', 'b']);
  });

  it('a target other than the key without an order sorts ascending', async () => {
    await t.put('a', '2');
    await t.put('b', '1');
    expect(await t.names({ sort_target: 'VALUE' })).to.deep.equal(['b', 'a']);
    expect(await t.names({ sort_target: 'KEY' })).to.deep.equal(['a', 'b']);
  });

  it('min and max revisions filter before the limit, but not the count', async () => {
    const base = await t.revision();
    for (const name of ['a', 'b', 'c', 'd']) await t.put(name);
    await t.put('a');
    const header = { revision: String(base + 5) };
    const filtered = (filter: string, offset: number) => t.names({ [filter]: String(base + offset) });
    expect(await filtered('min_mod_revision', 3)).to.deep.equal(['a', 'c', 'd']);
    expect(await filtered('max_mod_revision', 3)).to.deep.equal(['b', 'c']);
    expect(await filtered('min_create_revision', 3)).to.deep.equal(['c', 'd']);
    expect(await filtered('max_create_revision', 2)).to.deep.equal(['a', 'b']);
    expect(await t.range({ min_mod_revision: String(base + 3), limit: '2', keys_only: true })).to.deep.equal({
      header,
      kvs: [t.kv('a', '', base + 1, base + 5, 2), t.kv('c', '', base + 3, base + 3, 1)],
      more: true,
      count: '4',
    });
    expect(await t.range({ min_mod_revision: String(base + 3), limit: '3' })).to.not.have.property('more');
    expect(await t.range({ max_mod_revision: String(base) })).to.deep.equal({ header, count: '4' });
  });

  it('reads the past, with the revision of the present in the header', async () => {
    const base = await t.revision();
    await t.put('a', '1');
    await t.put('a', '2');
    await t.delete('a');
    await t.put('a', '3');
    const at = async (offset: number) => {
      const { header, kvs } = await t.range({ revision: String(base + offset) });
      expect(header).to.deep.equal({ revision: String(base + 4) });
      return kvs;
    };
    expect(await at(0)).to.equal(undefined);
    expect(await at(1)).to.deep.equal([t.kv('a', '1', base + 1, base + 1, 1)]);
    expect(await at(2)).to.deep.equal([t.kv('a', '2', base + 1, base + 2, 2)]);
    expect(await at(3)).to.equal(undefined);
    expect(await at(4)).to.deep.equal([t.kv('a', '3', base + 4, base + 4, 1)]);
    expect((await t.range({ revision: '-5' }))['count']).to.equal('1');
    await t.refused('OutOfRange', 'etcdserver: mvcc: required revision is a future revision', () =>
      t.range({ revision: String(base + 5) }),
    );
  });

  it('serializable reads answer the same', async () => {
    await t.put('a', '1');
    expect(await t.range({ serializable: true })).to.deep.equal(await t.range());
  });

  it('reading changes no revision', async () => {
    const base = await t.revision();
    await t.range();
    await t.range({ count_only: true, revision: String(base) });
    expect(await t.revision()).to.equal(base);
  });
}
