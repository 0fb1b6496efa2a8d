import { expect } from 'chai';
import { type PatroniConfigOptions, patroniConfig, postInitSql } from '../../../src/cell/runtime/patroni-config.ts';
import { NodeDirectory } from '../../../src/cell/runtime/process/node-directory.ts';
import { testAssignment, testCredentials, testOrder } from '../../fixtures/patroni.ts';

const { paths } = new NodeDirectory('/data/nodes/i-a', { uid: 1, gid: 1 });
const options: PatroniConfigOptions = {
  order: testOrder(testAssignment('i', 'i-a')),
  address: '10.0.0.1',
  ports: { postgresql: 20000, patroni: 20001 },
  paths,
  store: { endpoints: ['http://10.1.1.1:2379', 'http://10.1.1.2:2379'] },
  postgresqlBin: '/usr/lib/postgresql/15/bin',
  unsafeNoFsync: false,
};
const config = (changes: Partial<PatroniConfigOptions> = {}) =>
  // biome-ignore lint/suspicious/noExplicitAny: the test looks deep into a document without a type
  patroniConfig({ ...options, ...changes }) as any;

describe('patroniConfig()', () => {
  it('names the member after the node, below the root of the herd', () => {
    expect(config()).to.include({ scope: 'i', name: 'i-a', namespace: '/service/' });
    expect(config({ store: { ...options.store, root: '/herd-a' } }).namespace).to.equal('/herd-a/service/');
  });

  it('stays with the endpoints that were given, with certificates and user of the herd', () => {
    expect(config().etcd3).to.deep.equal({
      hosts: ['10.1.1.1:2379', '10.1.1.2:2379'],
      use_proxies: true,
      protocol: 'http',
    });
    const pem = Buffer.from('pem');
    const store = {
      endpoints: ['https://etcd:2379'],
      tls: { ca: pem, cert: pem, key: pem },
      user: { name: 'u', password: 'p' },
    };
    expect(config({ store }).etcd3).to.deep.equal({
      hosts: ['etcd:2379'],
      use_proxies: true,
      protocol: 'https',
      cacert: paths.storeCa,
      cert: paths.storeCert,
      key: paths.storeKey,
      username: 'u',
      password: 'p',
    });
  });

  it('asks everybody for a password, also on this machine', () => {
    const { pg_hba, parameters } = config().postgresql;
    expect(parameters.unix_socket_directories).to.equal('');
    expect(pg_hba).to.deep.equal(['host replication "replicator" all scram-sha-256', 'host all all all scram-sha-256']);
    expect(JSON.stringify(config().bootstrap.initdb)).to.include('scram-sha-256').and.not.to.include('trust');
  });

  it('lets only the admin restart or switch over by the REST API', () => {
    expect(config().restapi.authentication).to.deep.equal(testCredentials.admin_credentials);
  });

  it('waits for the disk unless a test says otherwise', () => {
    expect(JSON.stringify(config())).not.to.match(/fsync|no-sync/);
    const unsafe = config({ unsafeNoFsync: true });
    expect(unsafe.postgresql.parameters.fsync).to.equal('off');
    expect(unsafe.bootstrap.initdb).to.include('no-sync');
  });
});

describe('postInitSql()', () => {
  it('lets the accounts create tables, without naming a password', () => {
    const sql = postInitSql(options.order);
    expect(sql).to.include('GRANT CREATE ON SCHEMA public TO "appuser";');
    const { created_at: _, ...accounts } = testCredentials;
    for (const { password } of Object.values(accounts)) expect(sql).not.to.include(password);
  });
});
