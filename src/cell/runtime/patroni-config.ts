import type { EtcdStoreOptions } from '../../store/etcd.ts';
import type { NodeOrder } from './runtime.ts';

/** Where things of one node are. */
export interface NodePaths {
  readonly data: string;
  readonly log: string;
  readonly pgpass: string;
  readonly postInit: string;
  readonly storeCa: string;
  readonly storeCert: string;
  readonly storeKey: string;
}

export interface PatroniConfigOptions {
  readonly order: NodeOrder;
  readonly address: string;
  readonly ports: { readonly postgresql: number; readonly patroni: number };
  readonly paths: NodePaths;
  readonly store: EtcdStoreOptions;
  readonly postgresqlBin: string;
  /** Never wait for the disk: for tests, whose data may be lost. */
  readonly unsafeNoFsync: boolean;
}

/** The configuration file of one node's Patroni. It holds passwords. */
export function patroniConfig(options: PatroniConfigOptions): Record<string, unknown> {
  const { address, ports, paths, postgresqlBin, unsafeNoFsync } = options;
  const { assignment, credentials } = options.order;
  const { admin_credentials, app_credentials, superuser_credentials, replication_credentials } = credentials;
  const api = `${address}:${ports.patroni}`;
  const postgresql = `${address}:${ports.postgresql}`;
  return {
    scope: assignment.instance,
    namespace: `${options.store.root ?? ''}/service/`,
    name: assignment.node,
    etcd3: storeSection(options.store, paths),
    // Patroni turns its log over by itself: a line for each turn of its loop would fill the disk.
    log: { level: 'INFO', dir: paths.log, file_size: 5_000_000, file_num: 3 },
    // Reading is free; whoever wants to restart or switch over must be the admin.
    restapi: { listen: api, connect_address: api, authentication: admin_credentials },
    watchdog: { mode: 'off' },
    bootstrap: {
      dcs: assignment.dynamic_configuration,
      initdb: [
        { encoding: 'UTF8' },
        { locale: 'C.UTF-8' },
        { auth: 'scram-sha-256' },
        'data-checksums',
        'no-instructions',
        ...(unsafeNoFsync ? ['no-sync'] : []),
      ],
      // Patroni appends the connection string; the password goes by way of a file.
      post_init: `${postgresqlBin}/psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file '${paths.postInit}' --dbname`,
      users: {
        [admin_credentials.username]: { password: admin_credentials.password, options: ['CREATEDB', 'CREATEROLE'] },
        [app_credentials.username]: { password: app_credentials.password },
      },
    },
    postgresql: {
      listen: postgresql,
      connect_address: postgresql,
      data_dir: paths.data,
      bin_dir: postgresqlBin,
      // By default all nodes of a user share one.
      pgpass: paths.pgpass,
      authentication: {
        superuser: superuser_credentials,
        replication: replication_credentials,
        // Patroni grants it what pg_rewind needs.
        rewind: replication_credentials,
      },
      // Without it a new replica waits minutes for the leader's next checkpoint.
      basebackup: [{ checkpoint: 'fast' }],
      parameters: {
        // No sockets: their paths may have 107 bytes at most, and nothing here needs to be trusted without a password.
        unix_socket_directories: '',
        logging_collector: 'on',
        log_directory: paths.log,
        log_filename: 'postgresql-%a.log',
        log_truncate_on_rotation: 'on',
        log_rotation_age: '1d',
        log_rotation_size: 0,
        ...(unsafeNoFsync && { fsync: 'off' }),
      },
      pg_hba: [
        `host replication ${quoted(replication_credentials.username)} all scram-sha-256`,
        'host all all all scram-sha-256',
      ],
    },
  };
}

function storeSection({ endpoints, tls, user }: EtcdStoreOptions, paths: NodePaths): Record<string, unknown> {
  return {
    hosts: endpoints.map(hostAndPort),
    // Stay with the addresses that were given: those that etcd advertises need not be reachable from here.
    use_proxies: true,
    protocol: endpoints.some((endpoint) => endpoint.startsWith('https:')) ? 'https' : 'http',
    ...(tls?.ca && { cacert: paths.storeCa }),
    ...(tls?.cert && { cert: paths.storeCert }),
    ...(tls?.key && { key: paths.storeKey }),
    ...(user && { username: user.name, password: user.password }),
  };
}

function hostAndPort(endpoint: string): string {
  const { hostname, port, protocol } = new URL(endpoint);
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`;
}

/**
 * SQL for the first node's new database: what the accounts may do. PostgreSQL 15 lets nobody create in schema public.
 * Patroni sets the passwords afterwards.
 */
export function postInitSql({ credentials }: NodeOrder): string {
  const admin = quoted(credentials.admin_credentials.username);
  const app = quoted(credentials.app_credentials.username);
  return [
    `CREATE ROLE ${admin};`,
    `CREATE ROLE ${app};`,
    `GRANT CREATE ON DATABASE postgres TO ${admin} WITH GRANT OPTION;`,
    `GRANT CREATE ON SCHEMA public TO ${admin} WITH GRANT OPTION;`,
    `GRANT CREATE ON DATABASE postgres TO ${app};`,
    `GRANT CREATE ON SCHEMA public TO ${app};`,
    '',
  ].join('\n');
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
