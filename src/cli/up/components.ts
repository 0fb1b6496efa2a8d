import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { World } from '../world.ts';
import { type EtcdPorts, etcdCommand, etcdUrl } from './etcd.ts';
import { freePort } from './free-port.ts';
import type { StoreChoice } from './store-choice.ts';

/** How a herd on this machine is made up. */
export interface HerdOptions {
  readonly dataDir: string;
  readonly cells: number;
  readonly runtime: 'process' | 'simulated';
  /** Undefined: what the herd has, or the embedded one. */
  readonly store: StoreChoice | undefined;
  /** Public ports, `first-last`. */
  readonly ports: string;
  /** Where HAProxy listens, and clients are told to connect to. */
  readonly listen: string;
  readonly logLevel: string;
}

/** One program of the herd: how it is started, and where it is found. */
export interface Component {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly address: string;
  readonly metrics: string;
  readonly graceMs: number;
}

const graceMs = 35_000;
// Databases write their last checkpoint.
const cellGraceMs = 90_000;
const shareForNodes = 0.8;

/** Every cell has a loopback address of its own, so that nodes meet as they would between machines. */
const cellAddress = (number: number): string => `127.0.10.${number}`;

/** Groups of programs, in the order in which they are started; they are stopped in the opposite order. */
export async function componentsOf(
  options: HerdOptions,
  store: StoreChoice,
  ports: EtcdPorts,
  world: World,
): Promise<Component[][]> {
  const url = etcdUrl(ports);
  const numbers = Array.from({ length: options.cells }, (_, index) => index + 1);
  const daemon = (name: string, ...args: string[]): readonly [string, ...string[]] => [
    ...world.self,
    ...[name, '--etcd', url, '--log-level', options.logLevel, '--log-format', 'text', ...args],
  ];
  return [
    [storeComponent(options, store, ports, world)],
    [await controller(options, daemon)],
    await Promise.all(numbers.map((number) => cell(number, options, daemon))),
    [await router(options, daemon)],
  ];
}

function storeComponent(options: HerdOptions, store: StoreChoice, ports: EtcdPorts, world: World): Component {
  const { dataDir, logLevel } = options;
  const url = etcdUrl(ports);
  const address = new URL(url).host;
  const embedded = (): readonly [string, ...string[]] => [
    ...world.self,
    ...['kv', '--listen', address, '--name', 'pgherd', '--data-dir', join(dataDir, 'kv')],
    ...['--log-level', logLevel, '--log-format', 'text'],
  ];
  return {
    name: store === 'etcd' ? 'etcd' : 'kv',
    command: store === 'etcd' ? etcdCommand(dataDir, ports) : embedded(),
    address,
    metrics: `${url}/metrics`,
    graceMs,
  };
}

type Daemon = (name: string, ...args: string[]) => readonly [string, ...string[]];

async function controller(options: HerdOptions, daemon: Daemon): Promise<Component> {
  const metrics = await metricsAt('127.0.0.1', 9300);
  const command = daemon('controller', '--ports', options.ports, '--metrics', metrics);
  return { name: 'controller', command, address: '', metrics: `http://${metrics}/metrics`, graceMs };
}

async function cell(number: number, options: HerdOptions, daemon: Daemon): Promise<Component> {
  const name = `cell-${number}`;
  const address = cellAddress(number);
  const metrics = await metricsAt(address, 9301);
  const memoryMb = Math.floor((totalmem() / 1024 / 1024) * (shareForNodes / options.cells));
  const command = daemon(
    'cell',
    ...['--id', name, '--zone', `z${number}`, '--address', address, '--runtime', options.runtime],
    ...['--data-dir', join(options.dataDir, 'cells', name), '--memory-mb', String(memoryMb)],
    ...['--on-exit', 'stop', '--metrics', metrics],
  );
  return { name, command, address, metrics: `http://${metrics}/metrics`, graceMs: cellGraceMs };
}

async function router(options: HerdOptions, daemon: Daemon): Promise<Component> {
  const metrics = await metricsAt('127.0.0.1', 9302);
  const command = daemon(
    'router',
    ...['--id', 'router-1', '--address', options.listen, '--listen', options.listen, '--ports', options.ports],
    ...['--data-dir', join(options.dataDir, 'router'), '--on-exit', 'stop', '--metrics', metrics],
  );
  return {
    name: 'router',
    command,
    address: `${options.listen}:${options.ports}`,
    metrics: `http://${metrics}/metrics`,
    graceMs,
  };
}

const metricsAt = async (host: string, preferred: number): Promise<string> =>
  `${host}:${await freePort(host, preferred)}`;
