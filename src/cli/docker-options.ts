import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import { type EngineAddress, type EngineTls, parseEngineAddress } from '../cell/runtime/docker/engine-address.ts';
import type { DockerRuntimeOptions } from '../cell/runtime/docker.ts';
import type { EtcdStoreOptions } from '../store/etcd.ts';
import { endpointsOf } from './connection.ts';
import { Failure, usageFailure } from './failure.ts';

/** Options of a cell that runs containers, as commander names them. */
export interface DockerOptions {
  readonly image: string;
  readonly imageFile?: string;
  readonly dockerHost: string;
  readonly dockerTls?: string;
  readonly dockerNetwork: string;
  readonly dockerListen?: string;
  readonly dockerData: 'volume' | 'directory';
  readonly nodeEtcd?: string;
}

/** For `--runtime docker` only. */
export const dockerOptions = (): Option[] => [
  new Option('--image <reference>', 'docker: what nodes are containers of, best by digest: NAME@sha256:…')
    .default('pgherd-patroni:15')
    .env('PGHERD_NODE_IMAGE'),
  new Option('--image-file <file>', 'docker: load that image from what `docker save` made, instead of pulling it').env(
    'PGHERD_NODE_IMAGE_FILE',
  ),
  new Option('--docker-host <url>', 'docker: the engine, unix:///PATH or tcp://HOST:PORT')
    .default('unix:///var/run/docker.sock')
    .env('PGHERD_DOCKER_HOST'),
  new Option('--docker-tls <dir>', 'docker: directory with ca.pem, cert.pem and key.pem for tcp').env(
    'PGHERD_DOCKER_TLS',
  ),
  new Option('--docker-network <name>', 'docker: network that containers join')
    .default('bridge')
    .env('PGHERD_DOCKER_NETWORK'),
  new Option('--docker-listen <address>', 'docker: where ports are published; by default --address if it is one').env(
    'PGHERD_DOCKER_LISTEN',
  ),
  new Option('--docker-data <kind>', 'docker: data of new nodes in volumes of the engine, or in the data directory')
    .choices(['volume', 'directory'])
    .default('volume')
    .env('PGHERD_DOCKER_DATA'),
  new Option('--node-etcd <urls>', 'docker: etcd as containers reach it; by default as --etcd').env('PGHERD_NODE_ETCD'),
];

/** What the options say about the docker runtime; refuses what could never work, with what to do. */
export function dockerSettings(
  options: DockerOptions,
  connection: EtcdStoreOptions,
): Pick<DockerRuntimeOptions, 'engine' | 'image' | 'imageFile' | 'network' | 'listen' | 'data' | 'store'> {
  const endpoints =
    options.nodeEtcd === undefined ? connection.endpoints : endpointsOf(options.nodeEtcd, '--node-etcd');
  const loopback = endpoints.find((url) => /^(localhost|127\..*|\[::1\])$/.test(new URL(url).hostname));
  if (loopback !== undefined) {
    throw usageFailure(`containers cannot reach etcd at ${loopback}: give --node-etcd with an address that they can`);
  }
  if (/^(host|none|container:.*)$/.test(options.dockerNetwork)) {
    throw usageFailure(`--docker-network is ${options.dockerNetwork}: nodes need a network that publishes ports`);
  }
  const engine = engineOf(options);
  if (options.dockerData === 'directory' && !('socketPath' in engine)) {
    throw usageFailure('--docker-data is directory: that needs an engine on this machine, at unix:///PATH');
  }
  return {
    engine,
    data: options.dockerData,
    image: options.image,
    network: options.dockerNetwork,
    store: { ...connection, endpoints },
    ...(options.imageFile !== undefined && { imageFile: options.imageFile }),
    ...(options.dockerListen !== undefined && { listen: options.dockerListen }),
  };
}

function engineOf({ dockerHost, dockerTls }: DockerOptions): EngineAddress {
  try {
    return parseEngineAddress(dockerHost, dockerTls === undefined ? undefined : tlsOf(dockerTls));
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw usageFailure(`--docker-host: ${(error as Error).message}`);
  }
}

function tlsOf(directory: string): EngineTls {
  const read = (name: string): Buffer => {
    try {
      return readFileSync(join(directory, name));
    } catch (cause) {
      throw new Failure(`cannot read ${name} in the directory of --docker-tls`, { cause });
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
