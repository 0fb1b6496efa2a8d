import { expect } from 'chai';
import type { Message } from '../../fixtures/kv/protocol.ts';
import { after, type Tested } from './tested.ts';

/** Transactions. */
export function txnBehaviour(t: Tested): void {
  const put = (name: string, value = '', rest: Message = {}): Message => ({
    request_put: { key: t.key(name), value, ...rest },
  });
  const del = (name: string, rest: Message = {}): Message => ({
    request_delete_range: { key: t.key(name), ...rest },
  });
  const get = (name: string, rest: Message = {}): Message => ({ request_range: { key: t.key(name), ...rest } });
  const txn = (...success: Message[]) => t.ask('KV/Txn', { success });
  const holds = async (...compare: Message[]) => (await t.ask('KV/Txn', { compare }))['succeeded'] === true;

  it('an empty transaction succeeds and changes nothing', async () => {
    const revision = String(await t.revision());
    expect(await t.ask('KV/Txn')).to.deep.equal({ header: { revision }, succeeded: true });
  });

  it('all keys of a transaction share one revision; reads in it see earlier writes', async () => {
    const base = await t.revision();
    const header = { revision: String(base + 1) };
    expect(
      await txn(get('a'), put('a', '1'), get('a'), put('b', '2', { prev_kv: true }), get('', t.all())),
    ).to.deep.equal({
      header,
      succeeded: true,
      responses: [
        { response_range: { header: { revision: String(base) } } },
        { response_put: { header } },
        { response_range: { header, kvs: [t.kv('a', '1', base + 1, base + 1, 1)], count: '1' } },
        { response_put: { header } },
        {
          response_range: {
            header,
            kvs: [t.kv('a', '1', base + 1, base + 1, 1), t.kv('b', '2', base + 1, base + 1, 1)],
            count: '2',
          },
        },
      ],
    });
  });

  it('a transaction that only reads takes no revision', async () => {
    const base = await t.put('a', '1');
    expect(await txn(get('a'), get('absent'), del('absent'))).to.deep.equal({
      header: { revision: String(base) },
      succeeded: true,
      responses: [
        {
          response_range: {
            header: { revision: String(base) },
            kvs: [t.kv('a', '1', base, base, 1)],
            count: '1',
          },
        },
        { response_range: { header: { revision: String(base) } } },
        { response_delete_range: { header: { revision: String(base) } } },
      ],
    });
  });

  it('answers each operation with what it would answer alone', async () => {
    const base = await t.put('a', '1');
    await t.put('b', '2');
    const header = { revision: String(base + 2) };
    const { responses } = await txn(put('a', '3', { prev_kv: true }), del('b', { prev_kv: true }), del('b'));
    expect(responses).to.deep.equal([
      { response_put: { header, prev_kv: t.kv('a', '1', base, base, 1) } },
      { response_delete_range: { header, deleted: '1', prev_kvs: [t.kv('b', '2', base + 1, base + 1, 1)] } },
      { response_delete_range: { header } },
    ]);
  });

  it('takes failure when a comparison does not hold, and leaves succeeded out', async () => {
    const base = await t.revision();
    const answer = await t.ask('KV/Txn', {
      compare: [
        { key: t.key('a'), target: 'VERSION', version: '0' },
        { key: t.key('a'), target: 'VERSION', version: '1' },
      ],
      success: [put('a', 'success')],
      failure: [put('a', 'failure')],
    });
    const header = { revision: String(base + 1) };
    expect(answer).to.deep.equal({ header, responses: [{ response_put: { header } }] });
    expect((await t.get('a'))?.['value']).to.equal('failure');
    expect(
      await t.ask('KV/Txn', { compare: [{ key: t.key('absent'), target: 'MOD', mod_revision: '1' }] }),
    ).to.deep.equal({ header });
  });

  it('compares every target with every result', async () => {
    const lease = await t.grant(100);
    const base = await t.put('a', 'm', { lease });
    await t.put('a', 'm', { lease });
    const targets: [string, string, string, string, string][] = [
      ['VERSION', 'version', '1', '2', '3'],
      ['CREATE', 'create_revision', String(base - 1), String(base), String(base + 1)],
      ['MOD', 'mod_revision', String(base), String(base + 1), String(base + 2)],
      ['VALUE', 'value', 'l', 'm', 'n'],
      ['LEASE', 'lease', String(BigInt(lease) - 1n), lease, String(BigInt(lease) + 1n)],
    ];
    for (const [target, field, less, equal, greater] of targets) {
      const is = (result: string, operand: string) => holds({ key: t.key('a'), target, result, [field]: operand });
      const truth = async (result: string) => Promise.all([is(result, less), is(result, equal), is(result, greater)]);
      expect(await truth('EQUAL'), `${target} EQUAL`).to.deep.equal([false, true, false]);
      expect(await truth('NOT_EQUAL'), `${target} NOT_EQUAL`).to.deep.equal([true, false, true]);
      expect(await truth('GREATER'), `${target} GREATER`).to.deep.equal([true, false, false]);
      expect(await truth('LESS'), `${target} LESS`).to.deep.equal([false, false, true]);
    }
    await t.ask('Lease/LeaseRevoke', { ID: lease });
  });

  it('a missing key has version, revisions and lease 0, and no value that could be compared', async () => {
    const key = t.key('absent');
    expect(await holds({ key, target: 'VERSION', version: '0' })).to.equal(true);
    expect(await holds({ key, target: 'CREATE', create_revision: '0' })).to.equal(true);
    expect(await holds({ key, target: 'MOD', mod_revision: '0' })).to.equal(true);
    expect(await holds({ key, target: 'LEASE', lease: '0' })).to.equal(true);
    expect(await holds({ key, target: 'MOD', result: 'LESS', mod_revision: '1' })).to.equal(true);
    expect(await holds({ key, target: 'MOD', result: 'GREATER', mod_revision: '-1' })).to.equal(true);
    for (const result of ['EQUAL', 'NOT_EQUAL', 'GREATER', 'LESS']) {
      expect(await holds({ key, target: 'VALUE', result, value: '' }), result).to.equal(false);
    }
  });

  it('a number that is not the target’s counts as 0', async () => {
    await t.put('a');
    expect(await holds({ key: t.key('absent'), create_revision: '999' })).to.equal(true);
    expect(await holds({ key: t.key('a'), create_revision: '1' })).to.equal(false);
    expect(await holds({ key: t.key('a'), target: 'VERSION', result: 'GREATER' })).to.equal(true);
    expect(await holds({ key: t.key('a'), target: 'VALUE' })).to.equal(true);
    expect(await holds({ key: t.key('a'), target: 'VALUE', version: '1' })).to.equal(true);
  });

  it('compares a range by all of its keys; an empty one like a missing key', async () => {
    const base = await t.put('a');
    await t.put('b');
    const range = t.all({ target: 'MOD' });
    expect(await holds({ ...range, result: 'GREATER', mod_revision: String(base - 1) })).to.equal(true);
    expect(await holds({ ...range, result: 'GREATER', mod_revision: String(base) })).to.equal(false);
    expect(await holds({ ...range, result: 'LESS', mod_revision: String(base + 2) })).to.equal(true);
    const nothing = { key: t.key('x'), range_end: t.key('z') };
    expect(await holds({ ...nothing, target: 'VERSION', version: '0' })).to.equal(true);
    expect(await holds({ ...nothing, target: 'VERSION', version: '1' })).to.equal(false);
    expect(await holds({ ...nothing, target: 'VALUE', result: 'NOT_EQUAL', value: 'x' })).to.equal(false);
  });

  it('nested transactions compare what earlier operations wrote, and stay in the same revision', async () => {
    const base = await t.revision();
    const header = { revision: String(base + 1) };
    const nested = (name: string, create: string): Message => ({
      request_txn: {
        compare: [{ key: t.key('a'), target: 'CREATE', create_revision: create }],
        success: [put(name, 'then')],
        failure: [put(name, 'else'), get(name)],
      },
    });
    const { responses, ...rest } = await txn(put('a'), nested('b', '0'), nested('c', String(base + 1)));
    expect(rest).to.deep.equal({ header, succeeded: true });
    // A nested answer has a header, but etcd leaves it empty.
    const value = async (name: string) => (await t.get(name))?.['value'];
    expect([await value('b'), await value('c')]).to.deep.equal(['then', 'else']);
    expect(responses[1].response_txn.succeeded).to.equal(true);
    expect(responses[2].response_txn).to.not.have.property('succeeded');
    expect(responses[2].response_txn.responses[1].response_range).to.deep.equal({
      header,
      kvs: [t.kv('c', 'else', base + 1, base + 1, 1)],
      count: '1',
    });
  });

  it('an answer of a nested transaction looks like this', async () => {
    const base = await t.revision();
    const header = { revision: String(base + 1) };
    expect(await txn({ request_txn: { success: [put('a')] } })).to.deep.equal({
      header,
      succeeded: true,
      responses: [{ response_txn: { header: {}, succeeded: true, responses: [{ response_put: { header } }] } }],
    });
  });

  it('refuses a key that is put twice, also across a delete range and nesting', async () => {
    const duplicate = (...success: Message[]) =>
      t.refused('InvalidArgument', 'etcdserver: duplicate key given in txn request', () => txn(...success));
    const nested = (...success: Message[]): Message => ({ request_txn: { success } });
    const nestedElse = (...failure: Message[]): Message => ({ request_txn: { failure } });
    await duplicate(put('a'), put('a'));
    await duplicate(put('a'), del('a'));
    await duplicate(del('a'), put('a'));
    await duplicate(put('b'), del('a', { range_end: t.key('c') }));
    await duplicate(put('a'), nested(put('a')));
    await duplicate(put('a'), nestedElse(put('a')));
    await duplicate(nested(put('a')), nested(put('a')));
    await duplicate(nested(nested(put('a'))), put('a'));
    await duplicate(nested(del('a')), put('a'));
    await duplicate(put('a'), nested(del('a', { range_end: t.key('c') })));
    await t.refused('InvalidArgument', 'etcdserver: duplicate key given in txn request', () =>
      t.ask('KV/Txn', { failure: [put('a'), put('a')] }),
    );
  });

  it('allows deletions that overlap, a key in success and in failure, and a put beside a range that ends before it', async () => {
    await txn(del('a'), del('a', { range_end: t.key('c') }), del('a'));
    await t.ask('KV/Txn', { success: [put('a')], failure: [put('a')] });
    await txn({ request_txn: { success: [put('a')], failure: [put('a')] } });
    await txn(put('c'), del('a', { range_end: t.key('c') }));
    expect(await t.names()).to.deep.equal(['c']);
  });

  it('looks at no deletion up to the end of all keys for duplicates: operations take effect in their order', async () => {
    const top = (name: string) => `\xfe${t.key(name)}`;
    const base = await t.revision();
    const header = { revision: String(base + 1) };
    const rest = { request_delete_range: { key: top('a'), range_end: '\0' } };
    expect(await txn({ request_put: { key: top('b') } }, rest, { request_range: { key: top('b') } })).to.deep.equal({
      header,
      succeeded: true,
      responses: [
        { response_put: { header } },
        { response_delete_range: { header, deleted: '1' } },
        { response_range: { header } },
      ],
    });
    await txn(rest, { request_put: { key: top('b'), value: '2' } });
    const { kvs } = await t.ask('KV/Range', { key: top('b') });
    expect(kvs).to.have.length(1);
    await t.ask('KV/DeleteRange', { key: top('b') });
  });

  it('takes 128 operations or comparisons and refuses 129', async () => {
    const puts = Array.from({ length: 129 }, (_, i) => put(String(i)));
    await txn(...puts.slice(0, 128));
    const base = await t.revision();
    const refused = (request: Message) =>
      t.refused('InvalidArgument', 'etcdserver: too many operations in txn request', () => t.ask('KV/Txn', request));
    await refused({ success: puts });
    await refused({ failure: puts });
    const compare = Array.from({ length: 129 }, () => ({ key: t.key('a'), target: 'VERSION', version: '0' }));
    await refused({ compare });
    expect(await t.ask('KV/Txn', { compare: compare.slice(1) })).to.have.property('succeeded', true);
    expect(await t.revision()).to.equal(base);
  });

  it('counts the operations of each level along the way to a nested transaction', async () => {
    const puts = (from: number, count: number) => Array.from({ length: count }, (_, i) => put(String(from + i)));
    const nested = (count: number): Message => ({ request_txn: { success: puts(200, count) } });
    await txn(...puts(0, 100), nested(26), nested(0));
    for (const success of [[...puts(0, 100), nested(28)], [nested(128)]]) {
      await t.refused('InvalidArgument', 'etcdserver: too many operations in txn request', () => txn(...success));
    }
  });

  it('refuses an operation of no kind, an empty key, and value or lease beside their being ignored', async () => {
    await t.refused('InvalidArgument', 'etcdserver: key not found', () => txn({}));
    const noKey = 'etcdserver: key is not provided';
    await t.refused('InvalidArgument', noKey, () => txn({ request_put: {} }));
    await t.refused('InvalidArgument', noKey, () => txn({ request_range: {} }));
    await t.refused('InvalidArgument', noKey, () => txn({ request_delete_range: {} }));
    await t.refused('InvalidArgument', noKey, () => t.ask('KV/Txn', { compare: [{ target: 'VERSION' }] }));
    await t.refused('InvalidArgument', 'etcdserver: value is provided', () =>
      txn(put('a', 'x', { ignore_value: true })),
    );
    await t.refused('InvalidArgument', 'etcdserver: lease is provided', () =>
      txn(put('a', '', { ignore_lease: true, lease: '3' })),
    );
  });

  it('leaves nothing behind when an operation of it is refused', async () => {
    const base = await t.revision();
    await t.refused('NotFound', 'etcdserver: requested lease not found', () =>
      txn(put('a'), put('b', '', { lease: '4711' })),
    );
    await t.refused('OutOfRange', 'etcdserver: mvcc: required revision is a future revision', () =>
      txn(put('a'), get('b', { revision: String(base + 10) })),
    );
    await t.refused('InvalidArgument', 'etcdserver: key not found', () =>
      txn(put('a'), put('b', '', { ignore_value: true })),
    );
    expect(await t.range()).to.deep.equal({ header: { revision: String(base) } });
    expect(await t.put('c')).to.equal(base + 1);
  });

  it('checks only the branch that is taken for leases, but both for duplicates', async () => {
    const answer = await t.ask('KV/Txn', { success: [put('a')], failure: [put('b', '', { lease: '4711' })] });
    expect(answer['succeeded']).to.equal(true);
  });

  it('ranges in it take all options', async () => {
    const base = await t.put('a', '2');
    await t.put('b', '1');
    const { responses } = await txn(
      { request_range: t.all({ sort_target: 'VALUE', limit: '1', keys_only: true }) },
      { request_range: t.all({ count_only: true }) },
      { request_range: t.all({ revision: String(base) }) },
      { request_range: { key: t.prefix, range_end: after(t.prefix), min_mod_revision: String(base + 1) } },
    );
    const header = { revision: String(base + 1) };
    expect(responses.map((each: Message) => each['response_range'])).to.deep.equal([
      { header, kvs: [t.kv('b', '', base + 1, base + 1, 1)], more: true, count: '2' },
      { header, count: '2' },
      { header, kvs: [t.kv('a', '2', base, base, 1)], count: '1' },
      { header, kvs: [t.kv('b', '1', base + 1, base + 1, 1)], count: '2' },
    ]);
  });
}
