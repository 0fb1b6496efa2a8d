import { expect } from 'chai';
import { GatewayClient, type HttpAnswer } from '../../fixtures/kv/gateway-client.ts';
import type { KvServer } from '../kv-behaviour.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** What is of HTTP and JSON alone. */
export function gatewayBehaviour(server: () => KvServer): void {
  let client: GatewayClient;
  before(() => {
    client = new GatewayClient(server().endpoint);
  });
  after(() => client.close());

  const post = (path: string, body: unknown, headers?: Record<string, string>): Promise<HttpAnswer> =>
    client.http('POST', path, typeof body === 'string' ? body : JSON.stringify(body), headers);
  const key = base64('/json/a');

  it('64-bit numbers are strings, bytes base64, and what is 0, false or empty is left out', async () => {
    const { body } = await post('/v3/kv/put', { key, value: base64('1') });
    const { header } = JSON.parse(body);
    expect(header).to.have.all.keys('cluster_id', 'member_id', 'revision', 'raft_term');
    for (const value of Object.values(header)) expect(value).to.match(/^\d+$/);
    const answer = await post('/v3/kv/range', { key });
    expect(answer.headers['content-type']).to.equal('application/json');
    expect(JSON.parse(answer.body)).to.deep.equal({
      header,
      kvs: [
        {
          key,
          create_revision: header.revision,
          mod_revision: header.revision,
          version: '1',
          value: base64('1'),
        },
      ],
      count: '1',
    });
    const nothing = await post('/v3/kv/range', { key: base64('/json/absent') });
    expect(JSON.parse(nothing.body)).to.deep.equal({ header });
  });

  it('/v3beta is the same as /v3', async () => {
    const ours = JSON.parse((await post('/v3/kv/range', { key })).body);
    expect(JSON.parse((await post('/v3beta/kv/range', { key })).body)).to.deep.equal(ours);
  });

  it('takes any content type, camelCase, numbers for strings, names or numbers for enums, unknown fields', async () => {
    await post('/v3/kv/put', { key, value: base64('1') });
    const form = await post('/v3/kv/range', { key }, { 'content-type': 'application/x-www-form-urlencoded' });
    expect(JSON.parse(form.body)).to.have.property('kvs');
    const bodies = [
      { key, rangeEnd: base64('/json/b'), sortOrder: 'DESCEND' },
      { key, range_end: base64('/json/b'), sort_order: 2, limit: 1 },
      { key, range_end: base64('/json/b'), sort_order: 'DESCEND', limit: '1', unknown: { deep: [1] } },
      { key, range_end: base64('/json/b'), sort_order: 'NONE', limit: 0, serializable: true },
    ];
    for (const body of bodies) {
      const { status, body: text } = await post('/v3/kv/range', body);
      expect(status, text).to.equal(200);
      expect(JSON.parse(text).count, JSON.stringify(body)).to.equal('1');
    }
  });

  it('a comparison with another field than its target’s compares with 0, as old scripts rely on', async () => {
    const create = (name: string, createRevision: string) =>
      post('/v3/kv/txn', {
        compare: [{ key: base64(name), result: 'EQUAL', createRevision }],
        success: [{ requestPut: { key: base64(name), value: base64('1') } }],
      }).then(({ body }) => JSON.parse(body).succeeded);
    expect(await create('/json/new', '0')).to.equal(true);
    expect(await create('/json/new', '0')).to.equal(undefined);
    expect(await create('/json/newer', '999')).to.equal(true);
  });

  it('answers on the old paths of leases too', async () => {
    const { ID } = JSON.parse((await post('/v3/lease/grant', { TTL: 100 })).body);
    expect(ID).to.match(/^\d+$/);
    const { body } = await post('/v3/kv/lease/timetolive', { ID });
    expect(JSON.parse(body)).to.include({ ID, grantedTTL: '100' });
    expect(JSON.parse((await post('/v3/kv/lease/leases', {})).body).leases).to.deep.include({ ID });
    expect((await post('/v3/kv/lease/revoke', { ID })).status).to.equal(200);
    const { status } = await post('/v3/lease/revoke', { ID });
    expect(status).to.equal(404);
  });

  it('errors are JSON with the text twice and the code of gRPC', async () => {
    const { status, body } = await post('/v3/kv/put', { key: '' });
    expect(status).to.equal(400);
    const text = 'etcdserver: key is not provided';
    expect(JSON.parse(body)).to.deep.equal({ error: text, message: text, code: 3 });
  });

  it('refuses what is not JSON, or not of the message’s form', async () => {
    for (const body of ['{', '[]', 'nonsense', '{"key":7}', '{"key":"***"}', '{"key":"YQ==","limit":"many"}']) {
      const { status, body: text } = await post('/v3/kv/range', body);
      expect(status, body).to.equal(400);
      const { error, message, code } = JSON.parse(text);
      expect(code).to.equal(3);
      expect(error).to.be.a('string').and.equal(message);
    }
  });

  it('an empty body is an empty message', async () => {
    const { status, body } = await post('/v3/maintenance/status', '');
    expect(status, body).to.equal(200);
    expect(JSON.parse(body)).to.have.property('version');
  });

  it('an unknown path is 404, GET on a method 405', async () => {
    expect((await post('/v3/kv/nothing', {})).status).to.equal(404);
    expect((await client.http('GET', '/nothing')).status).to.equal(404);
    expect((await client.http('GET', '/v3/kv/range')).status).to.equal(405);
  });

  it('tells its version and its health, and its metrics', async () => {
    const version = JSON.parse((await client.http('GET', '/version')).body);
    expect(version.etcdserver).to.match(/^3\.\d+\.\d+$/);
    expect(version.etcdcluster).to.match(/^3\.\d+\.\d+$/);
    const health = await client.http('GET', '/health');
    expect(health.status).to.equal(200);
    expect(JSON.parse(health.body)).to.deep.include({ health: 'true' });
    const metrics = await client.http('GET', '/metrics');
    expect(metrics.status).to.equal(200);
    expect(metrics.headers['content-type']).to.match(/^text\/plain/);
    expect(metrics.body).to.match(/^# HELP /m);
  });

  it('a keep-alive is answered with one result, and the answer ends', async () => {
    const { ID } = JSON.parse((await post('/v3/lease/grant', { TTL: 100 })).body);
    const { body } = await post('/v3/lease/keepalive', { ID });
    expect(body.endsWith('\n')).to.equal(true);
    expect(JSON.parse(body).result).to.include({ ID, TTL: '100' });
    const gone = JSON.parse((await post('/v3/lease/keepalive', { ID: '4711' })).body);
    expect(gone.result).to.not.have.property('TTL');
    await post('/v3/lease/revoke', { ID });
  });

  it('a watch is a chunked answer whose first line says that it was created', async () => {
    const watch = client.open('Watch/Watch', { create_request: { key: '/json/watched' } });
    expect(await watch.next()).to.deep.include({ created: true });
    await post('/v3/kv/put', { key: base64('/json/watched'), value: base64('1') });
    const { events } = (await watch.next()) ?? {};
    expect(events).to.have.length(1);
    watch.close();
  });
}
