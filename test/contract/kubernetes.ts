import { expect } from 'chai';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import type { Message } from '../fixtures/kv/protocol.ts';
import type { KvServer } from './kv-behaviour.ts';

/** The requests that kube-apiserver sends, and what it reads of the answers. */
export function kubernetesShapes(start: () => Promise<KvServer>): void {
  let server: KvServer;
  let client: GrpcClient;
  before(async () => {
    server = await start();
    client = new GrpcClient(server.endpoint);
  });
  after(async () => {
    client?.close();
    await server?.stop();
  });

  const pods = '/registry/pods/';
  const end = '/registry/pods0';
  const get = (key: string): Message => ({ request_range: { key } });
  const at = (key: string, mod_revision: string): Message => ({ key, target: 'MOD', result: 'EQUAL', mod_revision });

  const create = (key: string, value: string, lease = '0') =>
    client.call('KV/Txn', { compare: [at(key, '0')], success: [{ request_put: { key, value, lease } }] });
  const update = (key: string, revision: string, value: string) =>
    client.call('KV/Txn', {
      compare: [at(key, revision)],
      success: [{ request_put: { key, value } }],
      failure: [get(key)],
    });
  const remove = (key: string, revision: string) =>
    client.call('KV/Txn', {
      compare: [at(key, revision)],
      success: [{ request_delete_range: { key } }],
      failure: [get(key)],
    });

  it('creates an object once', async () => {
    const key = `${pods}default/a`;
    const created = await create(key, 'v1');
    expect(created['succeeded']).to.equal(true);
    expect(created['responses'][0].response_put.header.revision).to.equal(created['header'].revision);
    const again = await create(key, 'v2');
    expect(again).to.not.have.property('succeeded');
    expect(again).to.not.have.property('responses');
    expect(again['header'].revision).to.equal(created['header'].revision);
  });

  it('updates an object at the revision that was read, else tells what is there', async () => {
    const key = `${pods}default/b`;
    const { header } = await create(key, 'v1');
    const updated = await update(key, header.revision, 'v2');
    expect(updated['succeeded']).to.equal(true);
    const stale = await update(key, header.revision, 'v3');
    expect(stale).to.not.have.property('succeeded');
    const { kvs } = stale['responses'][0].response_range;
    expect(kvs).to.have.length(1);
    expect(kvs[0]).to.include({ key, value: 'v2', mod_revision: updated['header'].revision, version: '2' });
  });

  it('deletes an object at the revision that was read, else tells what is there', async () => {
    const key = `${pods}default/c`;
    const { header } = await create(key, 'v1');
    const stale = await remove(key, '1');
    expect(stale['responses'][0].response_range.kvs[0].mod_revision).to.equal(header.revision);
    const removed = await remove(key, header.revision);
    expect(removed['succeeded']).to.equal(true);
    expect(removed['responses'][0].response_delete_range.deleted).to.equal('1');
    const gone = await remove(key, header.revision);
    expect(gone['responses'][0].response_range).to.not.have.property('kvs');
  });

  it('deletes without a condition, and reads what was there in the same transaction', async () => {
    const key = `${pods}default/d`;
    await create(key, 'v1');
    const { responses } = await client.call('KV/Txn', { success: [get(key), { request_delete_range: { key } }] });
    expect(responses[0].response_range.kvs[0].value).to.equal('v1');
    expect(responses[1].response_delete_range.deleted).to.equal('1');
  });

  it('lists in pages of one revision, whatever is written meanwhile', async () => {
    const list = '/registry/list/';
    for (let i = 0; i < 25; i++) await create(`${list}${String(i).padStart(2, '0')}`, String(i));
    const first = await client.call('KV/Range', { key: list, range_end: '/registry/list0', limit: '10' });
    const { revision } = first['header'];
    expect(first).to.include({ more: true, count: '25' });
    await create(`${list}05x`, 'late');
    await client.call('KV/DeleteRange', { key: `${list}20` });
    const names = first['kvs'].map((kv: Message) => kv['value']);
    for (let page = first; page['more']; ) {
      const last = page['kvs'].at(-1).key;
      page = await client.call('KV/Range', { key: `${last}\0`, range_end: '/registry/list0', limit: '10', revision });
      names.push(...page['kvs'].map((kv: Message) => kv['value']));
    }
    expect(names).to.deep.equal(Array.from({ length: 25 }, (_, i) => String(i)));
    const count = await client.call('KV/Range', { key: list, range_end: '/registry/list0', count_only: true });
    expect(count).to.include({ count: '25' });
  });

  it('watches from the revision after a list, with what was there before, and asks for progress', async () => {
    const { header } = await client.call('KV/Range', { key: pods, range_end: end });
    const start_revision = String(Number(header.revision) + 1);
    const watch = client.open('Watch/Watch', {
      create_request: { key: pods, range_end: end, start_revision, prev_kv: true, progress_notify: true },
    });
    expect(await watch.next()).to.include({ created: true });
    const key = `${pods}default/w`;
    const created = await create(key, 'v1');
    await update(key, created['header'].revision, 'v2');
    const deleted = await client.call('KV/DeleteRange', { key });
    const events: Message[] = [];
    while (events.length < 3) events.push(...((await watch.next())?.['events'] ?? []));
    expect(events.map((event) => [event['type'] ?? 'PUT', event['kv'].value, event['prev_kv']?.value])).to.deep.equal([
      ['PUT', 'v1', undefined],
      ['PUT', 'v2', 'v1'],
      ['DELETE', undefined, 'v2'],
    ]);
    await client.call('KV/Put', { key: '/elsewhere' });
    watch.send({ progress_request: {} });
    const progress = await watch.next();
    expect(progress?.['events']).to.equal(undefined);
    expect(Number(progress?.['header'].revision)).to.be.at.least(Number(deleted['header'].revision));
    watch.close();
  });

  it('elects who compacts with a key that only tells its version, then compacts', async () => {
    const key = 'compact_rev_key';
    const turn = (version: string, value: string) =>
      client.call('KV/Txn', {
        compare: [{ key, target: 'VERSION', result: 'EQUAL', version }],
        success: [{ request_put: { key, value } }],
        failure: [get(key)],
      });
    const first = await turn('0', '1');
    expect(first['succeeded']).to.equal(true);
    const lost = await turn('0', '1');
    expect(lost['responses'][0].response_range.kvs[0]).to.include({ version: '1', value: '1' });
    const { header } = await turn('1', first['header'].revision);
    await client.call('KV/Compact', { revision: first['header'].revision });
    const old = { key: pods, range_end: end, revision: String(Number(first['header'].revision) - 1) };
    const refusal = await client.call('KV/Range', old).catch((error) => error);
    expect(refusal).to.include({ code: 11, message: 'etcdserver: mvcc: required revision has been compacted' });
    const page = await client.call('KV/Range', { ...old, revision: first['header'].revision, limit: '1' });
    expect(page['header'].revision).to.equal(header.revision);
  });

  it('events with a time to live are on a lease, and gone with it', async () => {
    const { ID } = await client.call('Lease/LeaseGrant', { TTL: '3600' });
    const key = '/registry/events/default/e';
    await create(key, 'event', ID);
    const { kvs } = await client.call('KV/Range', { key });
    expect(kvs[0].lease).to.equal(ID);
    await client.call('Lease/LeaseRevoke', { ID });
    expect(await client.call('KV/Range', { key })).to.not.have.property('kvs');
  });

  it('asks for status and health', async () => {
    const status = await client.call('Maintenance/Status');
    expect(Number(status['dbSize'])).to.be.greaterThan(0);
    expect(status['version']).to.match(/^3\./);
  });
}
