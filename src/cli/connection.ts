import { readFileSync } from 'node:fs';
import type { EtcdStoreOptions } from '../store/etcd.ts';
import { Failure, usageFailure } from './failure.ts';
import type { GlobalOptions } from './global-options.ts';

/** Reads the connection from options and environment; every refusal names the option and what to do. */
export function connectionOf(
  options: GlobalOptions,
  env: Readonly<Record<string, string | undefined>>,
): EtcdStoreOptions {
  if (!options.etcd) throw usageFailure('no etcd was named: give --etcd URL[,URL] or set PGHERD_ETCD');
  const endpoints = endpointsOf(options.etcd, '--etcd');
  const tls = tlsOf(options);
  if (tls && endpoints.some((url) => url.startsWith('http:'))) {
    throw usageFailure('certificates are given, but --etcd names a http:// URL: use https://');
  }
  const user = userOf(options, env);
  return { endpoints, root: rootOf(options.root ?? ''), ...(tls && { tls }), ...(user && { user }) };
}

/** Reads URL[,URL…]; a refusal names the option. */
export const endpointsOf = (text: string, option: string): string[] =>
  text.split(',').map((each) => endpoint(each, option));

function endpoint(text: string, option: string): string {
  const trimmed = text.trim();
  const url = URL.canParse(trimmed) && trimmed.includes('://') ? new URL(trimmed) : undefined;
  const bare = url ?? (URL.canParse(`http://${trimmed}`) ? new URL(`http://${trimmed}`) : undefined);
  if (!bare || !/^https?:$/.test(bare.protocol) || bare.hostname === '' || bare.username || bare.pathname !== '/') {
    const shown = trimmed.includes('@') ? 'an URL with an @ in it' : JSON.stringify(trimmed);
    throw usageFailure(
      `${option} is ${shown}: expected http://HOST:PORT or https://HOST:PORT, several separated by commas`,
    );
  }
  return `${bare.protocol}//${bare.hostname}:${bare.port || '2379'}`;
}

function rootOf(root: string): string {
  const trimmed = root.replace(/\/+$/, '');
  if (trimmed !== '' && !/^(\/[A-Za-z0-9._-]+)+$/.test(trimmed)) {
    throw usageFailure(`--root is ${JSON.stringify(root)}: expected a path like /herd-a`);
  }
  return trimmed;
}

function tlsOf(options: GlobalOptions): EtcdStoreOptions['tls'] {
  const { etcdCacert, etcdCert, etcdKey } = options;
  if ((etcdCert === undefined) !== (etcdKey === undefined)) {
    throw usageFailure('--etcd-cert and --etcd-key belong together: give both');
  }
  if (etcdCacert === undefined && etcdCert === undefined) return undefined;
  return {
    ...(etcdCacert !== undefined && { ca: readOption('--etcd-cacert', etcdCacert) }),
    ...(etcdCert !== undefined && { cert: readOption('--etcd-cert', etcdCert) }),
    ...(etcdKey !== undefined && { key: readOption('--etcd-key', etcdKey) }),
  };
}

function userOf(options: GlobalOptions, env: Readonly<Record<string, string | undefined>>): EtcdStoreOptions['user'] {
  const { etcdUser: name, etcdPasswordFile: file } = options;
  if (name === undefined) return undefined;
  // An option would show the password in the list of processes.
  const password =
    file === undefined ? env['PGHERD_ETCD_PASSWORD'] : readOption('--etcd-password-file', file).toString();
  if (password === undefined) {
    throw usageFailure('--etcd-user needs a password: set PGHERD_ETCD_PASSWORD or give --etcd-password-file FILE');
  }
  return { name, password: password.replace(/\r?\n$/, '') };
}

function readOption(option: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Failure(`cannot read the file of ${option}`, { cause });
  }
}
