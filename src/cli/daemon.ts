import { type Command, Option } from 'commander';
import { certificateMetrics } from '../engine/certificate-metrics.ts';
import type { Logger } from '../engine/logger.ts';
import { MeteredStore } from '../engine/metered-store.ts';
import { collectProcessMetrics, Registry } from '../engine/metrics.ts';
import { RequestMetrics } from '../engine/request-metrics.ts';
import type { EtcdStoreOptions } from '../store/etcd.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { connectionOf } from './connection.ts';
import { usageFailure } from './failure.ts';
import type { GlobalOptions } from './global-options.ts';
import { daemonLogger } from './logging.ts';
import { ServiceManager } from './service-manager.ts';
import { keepHeapSmall } from './small-heap.ts';
import type { World } from './world.ts';

/** What every daemon is given. */
export interface DaemonParts {
  readonly store: Store;
  /** How that store is reached: for programs that a daemon starts. */
  readonly connection: EtcdStoreOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** To be called once the daemon answers at its --metrics. */
  readonly onServing: () => void;
}

/** Runs a daemon until the first SIGINT or SIGTERM. It waits for a store that does not answer yet. */
export async function runDaemon(
  world: World,
  options: GlobalOptions,
  run: (parts: DaemonParts, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  keepHeapSmall();
  const connection = connectionOf(options, world.env);
  const registry = new Registry();
  collectProcessMetrics(registry);
  const { ca, cert: client } = connection.tls ?? {};
  certificateMetrics(registry, { ...(ca && { ca }), ...(client && { client }) });
  const host = connection.endpoints.map((endpoint) => endpoint.replace(/^https?:\/\//, '')).join(',');
  const store = new MeteredStore(world.connect(connection), new RequestMetrics(registry), host);
  const { clock } = world;
  const logger = daemonLogger(world, options);
  try {
    await world.untilInterrupted(async (signal) => {
      const ended = new AbortController();
      const manager = new ServiceManager(world.env, clock, logger);
      const told = manager.run(AbortSignal.any([signal, ended.signal]));
      try {
        await run({ store, connection, clock, logger, registry, onServing: () => manager.ready() }, signal);
      } finally {
        ended.abort();
        await told;
      }
    });
  } finally {
    await store.close();
  }
}

/** Where a daemon serves /healthz, /readyz and /metrics. */
export const metricsOption = (port: number): Option =>
  new Option('--metrics <host:port>', 'where /metrics, /healthz and /readyz are served; port 0 takes a free one')
    .default(`127.0.0.1:${port}`)
    .env('PGHERD_METRICS');

export function hostAndPort(option: string, text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw usageFailure(`${option} is ${JSON.stringify(text)}: expected HOST:PORT, for example 127.0.0.1:9300`);
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Whether what a daemon runs for others ends with it. */
export const onExitOption = (what: string): Option =>
  new Option('--on-exit <what>', `what becomes of ${what} when this ends`)
    .choices(['leave', 'stop'])
    .default('leave')
    .env('PGHERD_ON_EXIT');

/** Adds several options to a command. */
export function addOptions(command: Command, options: readonly Option[]): Command {
  for (const option of options) command.addOption(option);
  return command;
}
