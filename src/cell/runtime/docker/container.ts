import { isIP } from 'node:net';
import type { ContainerCreateOptions } from 'dockerode';
import type { Assignment } from '../../../schema/assignment.ts';
import { containerName, patroniPort, postgresqlPort } from '../../../schema/binding.ts';
import type { EtcdStoreOptions } from '../../../store/etcd.ts';
import { patroniConfig, postInitSql } from '../patroni-config.ts';
import type { PortPair } from '../process/ports.ts';
import type { NodeOrder } from '../runtime.ts';
import { printLabels } from './labels.ts';
import { mountOf } from './node-data.ts';
import type { ContainerFile } from './tar.ts';

/** What all containers of a cell have in common. */
export interface ContainerSettings {
  readonly cell: string;
  /** The name that the cell's registrar keys carry. */
  readonly hostname: string;
  /** Where published ports are reached. */
  readonly address: string;
  /** The address of the machine that ports are published on; default: `address` when it is one, else all. */
  readonly listen?: string;
  readonly network: string;
  /** etcd as containers reach it. */
  readonly store: EtcdStoreOptions;
  /** How long a container waits for its binding; default: a minute. */
  readonly lookUpSeconds?: number;
  /** Never wait for the disk: for tests, whose data may be lost. */
  readonly unsafeNoFsync?: boolean;
}

/** Where things are inside of a container; the image's part of the agreement is in deploy/images/patroni. */
export const inside = {
  config: '/etc/pgherd/patroni.json',
  postInit: '/etc/pgherd/post-init.sql',
  storeCa: '/etc/pgherd/store-ca.pem',
  storeCert: '/etc/pgherd/store-cert.pem',
  storeKey: '/etc/pgherd/store-key.pem',
  home: '/data',
  data: '/data/pg',
  pgpass: '/data/pgpass',
  postgresqlBin: '/usr/lib/postgresql/bin',
} as const;

const mebibyte = 1024 * 1024;
// One process of PostgreSQL opens a thousand files at most by default, and one of Patroni a handful.
const openFiles = 16_384;

/** Limits of a container from the resources of its plan. */
export function containerLimits({ memory_mb, cpus }: Assignment['resources']) {
  return {
    Memory: memory_mb * mebibyte,
    // As much as memory: no swap on top, in which a database would rather be slow than be found too big.
    MemorySwap: memory_mb * mebibyte,
    NanoCpus: Math.round(cpus * 1e9),
    // Parallel queries share memory there; what is used of it counts as memory.
    ShmSize: Math.max(64, Math.floor(memory_mb / 2)) * mebibyte,
    PidsLimit: 2048,
    Ulimits: [
      { Name: 'nofile', Soft: openFiles, Hard: openFiles },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
  };
}

/** The container of a node as the engine is asked to create it. Nothing in it is secret: everybody can inspect it. */
export function containerOf(
  { assignment }: NodeOrder,
  { ports, volume, image }: { readonly ports: PortPair; readonly volume: string; readonly image: string },
  settings: ContainerSettings,
): ContainerCreateOptions {
  const { instance, node, resources, spec_hash: specHash } = assignment;
  const { cell, hostname, address, network, store, lookUpSeconds = 60 } = settings;
  const name = containerName(node);
  const listen = settings.listen ?? (isIP(address) ? address : '0.0.0.0');
  const publish = (port: number) => [{ HostIp: listen, HostPort: String(port) }];
  return {
    name,
    Image: image,
    Labels: printLabels({ cell, instance, node, specHash, ports, volume }),
    Env: [
      `PGHERD_IMAGE=${assignment.image}`,
      `PGHERD_HOSTNAME=${hostname}`,
      `PGHERD_CONTAINER=${name}`,
      `PGHERD_ROOT=${store.root ?? ''}`,
      `PGHERD_PUBLISHED=${postgresqlPort}=${ports.postgresql} ${patroniPort}=${ports.patroni}`,
      `PGHERD_LOOKUP_SECONDS=${lookUpSeconds}`,
      `PGHERD_CONFIG=${inside.config}`,
    ],
    ExposedPorts: { [`${postgresqlPort}/tcp`]: {}, [`${patroniPort}/tcp`]: {} },
    HostConfig: {
      ...containerLimits(resources),
      PortBindings: {
        [`${postgresqlPort}/tcp`]: publish(ports.postgresql),
        [`${patroniPort}/tcp`]: publish(ports.patroni),
      },
      NetworkMode: network,
      Mounts: [mountOf(volume, inside.home)],
      // The engine starts nothing by itself: a node may be ordered elsewhere by the time that its machine is back, and
      // the proof that a run is over would mean nothing.
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
    },
  };
}

/** What is put into the container before it starts, for its user only: configuration, passwords, certificates. */
export function containerFiles(order: NodeOrder, { store, unsafeNoFsync = false }: ContainerSettings): ContainerFile[] {
  const { tls } = store;
  return [
    {
      path: inside.config,
      content: JSON.stringify(containerConfig(order, store, unsafeNoFsync), null, 1),
      mode: 0o400,
    },
    { path: inside.postInit, content: postInitSql(order), mode: 0o400 },
    ...(tls?.ca ? [{ path: inside.storeCa, content: tls.ca, mode: 0o400 }] : []),
    ...(tls?.cert ? [{ path: inside.storeCert, content: tls.cert, mode: 0o400 }] : []),
    ...(tls?.key ? [{ path: inside.storeKey, content: tls.key, mode: 0o400 }] : []),
  ];
}

/**
 * Patroni's configuration for a container: as for a process, but it listens everywhere, writes its log to the engine,
 * and does not say where it is reached: the container finds that out by itself.
 */
function containerConfig(order: NodeOrder, store: EtcdStoreOptions, unsafeNoFsync: boolean): Record<string, unknown> {
  const { restapi, postgresql, ...rest } = patroniConfig({
    order,
    address: '0.0.0.0',
    ports: { postgresql: postgresqlPort, patroni: patroniPort },
    paths: { ...inside, log: inside.home },
    store,
    postgresqlBin: inside.postgresqlBin,
    unsafeNoFsync,
  }) as { restapi: object; postgresql: { parameters: object } };
  const { connect_address: _, ...api } = restapi as { connect_address: string };
  const { connect_address: __, ...database } = postgresql as { connect_address: string; parameters: object };
  const parameters = Object.entries(database.parameters).filter(([name]) => !/^(logging_collector|log_)/.test(name));
  return {
    ...rest,
    log: { level: 'INFO' },
    restapi: api,
    postgresql: { ...database, parameters: Object.fromEntries(parameters) },
  };
}
