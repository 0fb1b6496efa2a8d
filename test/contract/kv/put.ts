import { expect } from 'chai';
import { after, type Tested } from './tested.ts';

/** Put and delete range. */
export function putBehaviour(t: Tested): void {
  it('put() answers the new revision, and prev_kv only when asked for and there', async () => {
    const base = await t.revision();
    const put = (value: string, rest = {}) => t.ask('KV/Put', { key: t.key('a'), value, ...rest });
    expect(await put('1', { prev_kv: true })).to.deep.equal({ header: { revision: String(base + 1) } });
    expect(await put('2')).to.deep.equal({ header: { revision: String(base + 2) } });
    expect(await put('3', { prev_kv: true })).to.deep.equal({
      header: { revision: String(base + 3) },
      prev_kv: t.kv('a', '2', base + 1, base + 2, 2),
    });
  });

  it('put() of the same value is a change too', async () => {
    const base = await t.revision();
    for (let i = 0; i < 3; i++) await t.put('a', 'same');
    expect(await t.get('a')).to.deep.equal(t.kv('a', 'same', base + 1, base + 3, 3));
  });

  it('version and create revision begin anew after a deletion', async () => {
    const base = await t.revision();
    await t.put('a');
    await t.put('a');
    await t.delete('a');
    await t.put('a', 'again');
    expect(await t.get('a')).to.deep.equal(t.kv('a', 'again', base + 4, base + 4, 1));
  });

  it('put() keeps every byte of key and value', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('latin1');
    await t.put(bytes, bytes);
    expect((await t.get(bytes))?.['value']).to.equal(bytes);
  });

  it('put() refuses an empty key, and value or lease beside their being ignored', async () => {
    const put = (rest: object) => () => t.ask('KV/Put', { key: t.key('a'), ...rest });
    await t.refused('InvalidArgument', 'etcdserver: key is not provided', put({ key: '' }));
    await t.refused('InvalidArgument', 'etcdserver: value is provided', put({ value: 'x', ignore_value: true }));
    await t.refused('InvalidArgument', 'etcdserver: lease is provided', put({ lease: '7', ignore_lease: true }));
  });

  it('ignore_value keeps the value, ignore_lease the lease, and both need the key', async () => {
    const lease = await t.grant(100);
    const other = await t.grant(100);
    const base = await t.put('a', 'kept', { lease });
    await t.put('a', '', { ignore_value: true, lease: other });
    expect(await t.get('a')).to.deep.equal(t.kv('a', 'kept', base, base + 1, 2, other));
    await t.put('a', 'new', { ignore_lease: true });
    expect(await t.get('a')).to.deep.equal(t.kv('a', 'new', base, base + 2, 3, other));
    await t.put('a', '', { ignore_lease: true, ignore_value: true });
    expect(await t.get('a')).to.deep.equal(t.kv('a', 'new', base, base + 3, 4, other));
    for (const ignored of ['ignore_value', 'ignore_lease']) {
      await t.refused('InvalidArgument', 'etcdserver: key not found', () => t.put('absent', '', { [ignored]: true }));
    }
    expect(await t.revision()).to.equal(base + 3);
    for (const ID of [lease, other]) await t.ask('Lease/LeaseRevoke', { ID });
  });

  it('put() refuses a lease that does not exist', async () => {
    const base = await t.revision();
    await t.refused('NotFound', 'etcdserver: requested lease not found', () => t.put('a', '', { lease: '4711' }));
    expect(await t.revision()).to.equal(base);
  });

  it('deleteRange() answers how many keys went, and takes one revision for all of them', async () => {
    const base = await t.revision();
    for (const name of ['a', 'b', 'c']) await t.put(name, name);
    expect(await t.ask('KV/DeleteRange', t.all())).to.deep.equal({
      header: { revision: String(base + 4) },
      deleted: '3',
    });
    expect(await t.range()).to.deep.equal({ header: { revision: String(base + 4) } });
  });

  it('deleteRange() of nothing changes nothing', async () => {
    const base = await t.revision();
    const nothing = { header: { revision: String(base) } };
    expect(await t.ask('KV/DeleteRange', { key: t.key('a') })).to.deep.equal(nothing);
    expect(await t.ask('KV/DeleteRange', t.all({ prev_kv: true }))).to.deep.equal(nothing);
    await t.put('a');
    await t.put('b');
    const backwards = { key: t.key('b'), range_end: t.key('a') };
    expect(await t.ask('KV/DeleteRange', backwards)).to.deep.equal({ header: { revision: String(base + 2) } });
  });

  it('deleteRange() answers what was there when asked', async () => {
    const base = await t.revision();
    for (const name of ['a', 'b']) await t.put(name, name);
    expect(await t.ask('KV/DeleteRange', t.all({ prev_kv: true }))).to.deep.equal({
      header: { revision: String(base + 3) },
      deleted: '2',
      prev_kvs: [t.kv('a', 'a', base + 1, base + 1, 1), t.kv('b', 'b', base + 2, base + 2, 1)],
    });
  });

  it('deleteRange() refuses an empty key, and takes a zero byte as range_end for everything from a key on', async () => {
    await t.refused('InvalidArgument', 'etcdserver: key is not provided', () => t.ask('KV/DeleteRange', { key: '' }));
    const last = `\xfe${t.prefix}`;
    await t.ask('KV/Put', { key: last });
    await t.ask('KV/Put', { key: after(last) });
    const { deleted } = await t.ask('KV/DeleteRange', { key: last, range_end: '\0' });
    expect(deleted).to.equal('2');
  });
}
