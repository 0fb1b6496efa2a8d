import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import type { Store } from '../../store/store.ts';
import { StoreError } from '../../store/store-error.ts';
import { Failure } from '../failure.ts';
import type { World } from '../world.ts';
import { isFree } from './free-port.ts';

/** Where this herd's store listens, be it etcd or our own; kept, because nodes that outlive a crash go on talking to it. */
export interface EtcdPorts {
  readonly client: number;
  readonly peer: number;
}

const host = '127.0.0.1';
// Apart from etcd's own 2379, which belongs to the machine's service, from the ports of nodes, and from public ports.
const range = { first: 25_000, last: 26_999 };

/** For a new herd. Drawn, so that several herds of one machine do not ask for the same. */
export async function choosePorts(): Promise<EtcdPorts> {
  const client = await drawPort();
  let peer = await drawPort();
  while (peer === client) peer = await drawPort();
  return { client, peer };
}

async function drawPort(): Promise<number> {
  for (;;) {
    const port = randomInt(range.first, range.last + 1);
    if (await isFree(host, port)) return port;
  }
}

export const etcdUrl = ({ client }: EtcdPorts): string => `http://${host}:${client}`;

/** Debian's etcd on this machine alone, its data with ours, history of an hour, every write on the disk. */
export function etcdCommand(dataDir: string, ports: EtcdPorts): readonly [string, ...string[]] {
  const client = etcdUrl(ports);
  const peer = `http://${host}:${ports.peer}`;
  return [
    'etcd',
    ...['--name', 'pgherd', '--data-dir', join(dataDir, 'etcd')],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `pgherd=${peer}`],
    ...['--auto-compaction-mode', 'periodic', '--auto-compaction-retention', '1h'],
    ...['--logger', 'zap', '--log-level', 'warn', '--log-outputs', 'stderr'],
  ];
}

const lookAgainMs = 200;
// The store of an `up` that was killed needs a moment to end.
const portsPatienceMs = 10_000;

/** Resolves when nobody listens where the store is going to. */
export async function portsAreFree(
  ports: EtcdPorts,
  dataDir: string,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = world;
  const untilMs = clock.monotonic() + portsPatienceMs;
  for (const port of [ports.client, ports.peer]) {
    while (!(await isFree(host, port))) {
      if (clock.monotonic() > untilMs) {
        throw new Failure(
          `port ${port}, where the store of this herd listens, is taken by another program: end that one, or remove ${join(dataDir, 'up.json')} to choose another port`,
        );
      }
      await clock.sleep(lookAgainMs, signal);
    }
  }
}

/** Resolves when the store answers. */
export async function etcdAnswers(store: Store, world: World, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await store.identity({ signal });
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof StoreError && error.code === 'unavailable')) throw error;
    }
    await world.clock.sleep(lookAgainMs, signal);
  }
}
