import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Option } from 'commander';
import type { ServerTls } from '../../kv/server/listener.ts';
import { type EngineName, engines } from '../../kv/storage/engines.ts';
import { parseDurationMs } from '../duration.ts';
import { Failure, usageFailure } from '../failure.ts';
import type { World } from '../world.ts';

/** Where data is kept, for every command that opens a store. */
export interface EngineChoice {
  readonly engine: EngineName;
  readonly dataDir?: string;
  readonly postgresFile?: string;
  readonly clusterFile?: string;
}

/** `pgherd kv` as it was called. */
export interface KvOptions extends EngineChoice {
  readonly listen: string;
  readonly advertise?: string;
  readonly name: string;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly quotaBackendBytes: string;
  readonly autoCompactionMode: 'off' | 'periodic' | 'revision';
  readonly autoCompactionRetention: string;
  readonly authToken: string;
}

export const engineOptions = (): readonly Option[] => [
  new Option('--engine <engine>', 'what keeps the data')
    .choices(Object.keys(engines))
    .default('lmdb')
    .env('PGHERD_KV_ENGINE'),
  new Option('--data-dir <dir>', 'where engines with files keep them').env('PGHERD_DATA_DIR'),
  new Option('--postgres-file <file>', 'file with the URI of the database; or PGHERD_POSTGRES_URI').env(
    'PGHERD_POSTGRES_FILE',
  ),
  new Option('--cluster-file <file>', 'how FoundationDB is found; default: its own').env('PGHERD_KV_CLUSTER_FILE'),
];

/** Where the database is, of engines that have one. URIs hold passwords: they come from the environment or from a file, where nobody else sees them. */
export function databaseOf(
  { engine, postgresFile, clusterFile }: EngineChoice,
  env: World['env'],
): { readonly url?: string; readonly clusterFile?: string } {
  if (engine === 'foundationdb') return clusterFile === undefined ? {} : { clusterFile };
  if (engine !== 'postgres') return {};
  const url = (
    postgresFile === undefined ? env['PGHERD_POSTGRES_URI'] : read('--postgres-file', postgresFile).toString()
  )?.trim();
  if (!url)
    throw usageFailure('--engine postgres needs a database: set PGHERD_POSTGRES_URI or give --postgres-file FILE');
  if (!/^postgres(ql)?:\/\//.test(url)) throw usageFailure('the URI of the database has to begin with postgres://');
  return { url };
}

export function tlsOf({ cert, key, clientCa }: KvOptions): ServerTls | undefined {
  if ((cert === undefined) !== (key === undefined)) throw usageFailure('--cert and --key belong together: give both');
  if (cert === undefined || key === undefined) {
    if (clientCa !== undefined)
      throw usageFailure('--client-ca needs --cert and --key: certificates come with TLS only');
    return undefined;
  }
  return {
    cert: read('--cert', cert),
    key: read('--key', key),
    ...(clientCa !== undefined && { clientCa: read('--client-ca', clientCa) }),
  };
}

export function autoCompactionOf({ autoCompactionMode: mode, autoCompactionRetention: retention }: KvOptions) {
  if (mode === 'off' || /^0(\D|$)/.test(retention)) return { mode: 'off' } as const;
  if (mode === 'revision') return { mode, retention: wholeNumber('--auto-compaction-retention', retention) } as const;
  // A bare number is of hours, as with etcd.
  const duration = parseDurationMs(/^\d+$/.test(retention) ? `${retention}h` : retention);
  if (!duration.ok) throw usageFailure(`--auto-compaction-retention: ${duration.problem}`);
  return { mode, retentionMs: duration.value } as const;
}

export const wholeNumber = (option: string, text: string): bigint => {
  if (!/^\d{1,18}$/.test(text)) throw usageFailure(`${option} is ${JSON.stringify(text)}: a whole number is expected`);
  return BigInt(text);
};

/** What clients are told: as given, or where we listen. */
export function clientUrlsOf(advertise: string | undefined, scheme: string, host: string, port: number): string[] {
  if (advertise !== undefined) return advertise.split(',').map((url) => checkUrl(url.trim()));
  return [`${scheme}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`];
}

function checkUrl(url: string): string {
  if (/^https?:\/\/[^/@\s]+:\d+\/?$/.test(url)) return url.replace(/\/$/, '');
  throw usageFailure('--advertise: expected http://HOST:PORT or https://HOST:PORT, several separated by commas');
}

function read(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Failure(`cannot read the file of ${option}`, { cause });
  }
}
