import { expect } from 'chai';
import { type Certificates, makeCertificates } from '../../fixtures/certificates.ts';
import { randomLoopback } from '../../fixtures/free-port.ts';
import { type KvProcess, startKv } from '../../fixtures/kv/server.ts';
import { bash } from '../../fixtures/shell.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The lines that the guide to the resource registry prints, with host, account and placeholders filled in. */
describe('the lines of the resource registry’s guide, with pgherd kv behind TLS and accounts', () => {
  let certificates: Certificates;
  let kv: KvProcess;
  let token: string;
  const entry = '/dba/studio/repositories/IBM_BAW/2066.23d3ecec-6fdb-4033-9c57-e931aa13761f';
  const leaseKey = base64('/dba/workflow/cluster-1/lease');

  before(async () => {
    const host = randomLoopback();
    certificates = await makeCertificates(host);
    const { certFile, keyFile } = certificates;
    kv = await startKv({ engine: 'memory', host, tls: { certFile, keyFile } });
    const as = { ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: kv.endpoint, ETCDCTL_CACERT: certificates.caFile };
    await bash(
      [
        'etcdctl user add root:root-secret && etcdctl role add root && etcdctl user grant-role root root',
        'etcdctl user add writer:word && etcdctl role add writer && etcdctl user grant-role writer writer',
        "etcdctl role grant-permission writer readwrite '' --prefix && etcdctl auth enable",
      ].join(' && '),
      as,
    );
  });
  after(async () => {
    await kv?.stop();
    await certificates?.remove();
  });
  const curl = async (path: string, body: string, ...headers: string[]) =>
    JSON.parse(
      await bash(`curl -k ${kv.endpoint}${path} \\
${headers.map((header) => `-H '${header}' \\\n`).join('')}-d '${body}'`),
    );
  const authenticate = async () => {
    const answer = await curl('/v3beta/auth/authenticate', '{ "name": "writer", "password": "word" }');
    expect(answer.header).to.have.all.keys('cluster_id', 'member_id', 'revision', 'raft_term');
    token = answer.token;
    expect(token).to.match(/^[A-Za-z]+\.\d+$/);
  };
  beforeEach(authenticate);

  it('kv/put with the token, the lines inside of the quotes continued as printed', async () => {
    const key = (await bash(`echo -n "${entry}" | base64`)).replace(/\n/g, '');
    expect(key).to.equal(base64(entry));
    const body = `{ \\
  "key": "${key}", \\
  "value": "${base64('{"contributionInfos":[]}')}" \\
}`;
    expect(await curl('/v3beta/kv/put', body, `Authorization: ${token}`)).to.have.all.keys('header');
    const range = JSON.stringify({ key: base64('/dba/studio/'), range_end: base64('/dba/studio0') });
    const { kvs } = await curl('/v3beta/kv/range', range, `Authorization: ${token}`);
    expect(kvs.map((each: { value: string }) => each.value)).to.deep.equal([base64('{"contributionInfos":[]}')]);
  });

  it('is refused without a token, with a wrong one, and with a wrong password', async () => {
    const put = JSON.stringify({ key: base64(entry), value: '' });
    expect((await curl('/v3beta/kv/put', put)).error).to.equal('etcdserver: user name is empty');
    const wrong = await curl('/v3beta/kv/put', put, 'Authorization: fxbvyhbFXcJsJRnQ.101');
    expect(wrong.error).to.equal('etcdserver: invalid auth token');
    const { error } = await curl('/v3beta/auth/authenticate', '{ "name": "writer", "password": "wrong" }');
    expect(error).to.equal('etcdserver: authentication failed, invalid user ID or password');
  });

  it('etcdctl txn, its lines from a here-string', async () => {
    const lines = `export ETCDCTL_ENDPOINTS=${kv.endpoint}
export KEY="my_key"
export VALUE="my_value"
etcdctl --user=writer:word txn <<< 'create("'"\${KEY}"'") = "0"

put \${KEY} \${VALUE} 


'`;
    const as = { ETCDCTL_API: '3', ETCDCTL_CACERT: certificates.caFile };
    expect(await bash(lines, as)).to.equal('SUCCESS\n\nOK\n');
    // In single quotes bash leaves the names as they are: that is what the guide's line writes.
    const get = `etcdctl --endpoints ${kv.endpoint} --user=writer:word get '\${KEY}'`;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as printed
    expect(await bash(get, as)).to.equal('${KEY}\n${VALUE}\n');
  });

  it('the first member of a cluster creates the lease in a transaction, the others find it', async () => {
    const header = `Authorization: ${token}`;
    const join = async (name: string) => {
      const { ID: leaseId } = await curl('/v3beta/lease/grant', '{"TTL":"3600"}', header);
      const put = (key: string, value: string) => ({
        requestPut: { key, value: base64(value), lease: leaseId },
      });
      const transaction = {
        compare: [{ result: 'EQUAL', key: leaseKey, createRevision: '0' }],
        success: [put(leaseKey, leaseId), put(base64(`/dba/appresources/${name}`), 'an app')],
      };
      return { leaseId, answer: await curl('/v3beta/kv/txn', JSON.stringify(transaction), header) };
    };
    const first = await join('one');
    expect(first.answer.succeeded).to.equal(true);
    const second = await join('two');
    expect(second.answer).to.not.have.property('succeeded');
    const { kvs } = await curl('/v3beta/kv/range', JSON.stringify({ key: leaseKey }), header);
    expect(kvs[0].value).to.equal(base64(first.leaseId));
    expect(kvs[0].lease).to.equal(first.leaseId);
    const renewed = await curl('/v3beta/lease/keepalive', JSON.stringify({ ID: first.leaseId }), header);
    expect(renewed.result).to.include({ ID: first.leaseId, TTL: '3600' });
  });
});
