import { hostname } from 'node:os';
import { Option } from 'commander';
import { collectProcessMetrics, Registry } from '../../engine/metrics.ts';
import { addOptions, hostAndPort } from '../daemon.ts';
import { defaultDataDir } from '../data-dir.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import {
  autoCompactionOf,
  clientUrlsOf,
  databaseOf,
  engineOptions,
  type KvOptions,
  tlsOf,
  wholeNumber,
} from '../kv/kv-options.ts';
import { kvSnapshot } from '../kv/snapshot.ts';
import { tokensOf } from '../kv/token-option.ts';
import { daemonLogger } from '../logging.ts';
import type { Register } from '../register.ts';
import type { World } from '../world.ts';

type Options = KvOptions & Parameters<typeof daemonLogger>[1];

/** `pgherd kv`: the embedded store. */
export const kv: Register = (program, world) => {
  const command = program
    .command('kv')
    .description('run the embedded store: a server that speaks etcd’s API, gRPC and JSON on one port');
  addOptions(command, [
    ...engineOptions(),
    new Option('--listen <host:port>', 'where it serves; port 0 takes a free one')
      .default('127.0.0.1:2379')
      .env('PGHERD_KV_LISTEN'),
    new Option('--advertise <urls>', 'where clients are told to go: by default where it listens').env(
      'PGHERD_KV_ADVERTISE',
    ),
    new Option('--name <name>', 'its name in the list of members').default(hostname()).env('PGHERD_KV_NAME'),
    new Option('--cert <file>', 'certificate: serves TLS').env('PGHERD_KV_CERT'),
    new Option('--key <file>', 'key of the certificate').env('PGHERD_KV_KEY'),
    new Option('--client-ca <file>', 'clients must show a certificate of these authorities').env('PGHERD_KV_CLIENT_CA'),
    new Option('--quota-backend-bytes <bytes>', 'how large the store may grow; 0 for etcd’s 2 GiB')
      .default('0')
      .env('PGHERD_KV_QUOTA_BACKEND_BYTES'),
    new Option('--auto-compaction-mode <mode>', 'forget history by age or by number of revisions')
      .choices(['off', 'periodic', 'revision'])
      .default('periodic')
      .env('PGHERD_KV_AUTO_COMPACTION_MODE'),
    new Option('--auto-compaction-retention <retention>', 'how much of it is kept: 1h, or 1000 revisions')
      .default('1h')
      .env('PGHERD_KV_AUTO_COMPACTION_RETENTION'),
    new Option('--auth-token <kind>', 'simple, or jwt,sign-method=…,priv-key=FILE,pub-key=FILE,ttl=5m')
      .default('simple')
      .env('PGHERD_KV_AUTH_TOKEN'),
  ])
    .addHelpText(
      'after',
      `
The commands of etcdctl work on it: get, put, txn, watch, lease, auth, snapshot save, and others.

Examples:
  $ pgherd kv --data-dir /var/lib/pgherd/kv
  $ pgherd kv --engine memory --listen 127.0.0.1:0
  $ pgherd kv --listen 10.0.0.1:2379 --cert kv.crt --key kv.key --client-ca ca.crt
  $ pgherd kv snapshot restore backup.db --data-dir /var/lib/pgherd/kv`,
    )
    .action(async (_, self) => {
      await world.untilInterrupted((signal) => serve(optionsOf<Options>(self), world, signal));
    });
  kvSnapshot(command, world);
};

async function serve(options: Options, world: World, signal: AbortSignal): Promise<void> {
  const { defaultQuotaBytes, openBackend } = await import('../../kv/open-backend.ts');
  const { KvServer } = await import('../../kv/server/server.ts');
  const { clock } = world;
  const logger = daemonLogger(world, options);
  const { host, port } = hostAndPort('--listen', options.listen);
  const tls = tlsOf(options);
  const scheme = tls ? 'https' : 'http';
  const urls = (at: number) => clientUrlsOf(options.advertise, scheme, host, at);
  urls(port);
  const tokens = tokensOf(options.authToken, clock);
  const quotaBytes = Number(wholeNumber('--quota-backend-bytes', options.quotaBackendBytes)) || defaultQuotaBytes;
  const directory = options.dataDir ?? defaultDataDir('kv', world.env);
  const onFailure = (err: unknown) => logger.error({ err }, 'work of the store failed');
  const backend = await openBackend({
    ...{ engine: options.engine, directory, ...databaseOf(options, world.env), clock, quotaBytes, onFailure },
    autoCompaction: autoCompactionOf(options),
    onQuotaExceeded: () => {
      logger.warn({ quotaBytes }, 'the quota is used up, writes are refused: compact, defragment, disarm the alarm');
      server.quotaExceeded();
    },
  });
  const registry = new Registry();
  collectProcessMetrics(registry);
  const server = new KvServer({
    ...{ backend, host, port, tls, tokens, clock },
    member: (at) => ({ name: options.name, clientUrls: urls(at) }),
    onFault: (err, path) => logger.error({ err, path }, 'call failed'),
    moreMetrics: () => registry.metrics(),
  });
  try {
    await server.run(signal, (at) => {
      const { engine } = options;
      logger.info({ urls: urls(at).join(','), engine, revision: backend.revision.toString() }, 'store is serving');
    });
  } catch (error) {
    throw explained(error, options.listen);
  }
  logger.info('store has stopped');
}

function explained(error: unknown, listen: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new Failure(`${listen} is taken by another program: end that one, or give --listen another port`);
  }
  if (code === 'EADDRNOTAVAIL') return usageFailure(`--listen: ${listen} is not an address of this machine`);
  if (code === 'EACCES') return new Failure(`${listen} is not for this user: give --listen a port above 1023`);
  return error;
}
