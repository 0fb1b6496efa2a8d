import { join } from 'node:path';
import { EventRecorder } from '../engine/event-recorder.ts';
import { HttpServer } from '../engine/http-server.ts';
import type { Logger } from '../engine/logger.ts';
import { Manager } from '../engine/manager.ts';
import { EngineMetrics, type Registry } from '../engine/metrics.ts';
import { StoreGuard } from '../engine/store-guard.ts';
import type { CellRegistration } from '../schema/cell.ts';
import type { CellId } from '../schema/ids.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { CellAgent } from './agent.ts';
import { CellMetrics } from './cell-metrics.ts';
import { keepRegistered } from './cell-registration.ts';
import { GroupCommit } from './group-commit.ts';
import type { Runtime } from './runtime/runtime.ts';

/** One cell of the herd. */
export interface CellOptions {
  readonly cell: CellId;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Where its nodes are reached. */
  readonly address: string;
  /** The name that its registrar keys carry. */
  readonly hostname: string;
  readonly capacity: { readonly nodes: number; readonly memory_mb: number };
  readonly version: string;
  /** Changes with every boot of the machine. */
  readonly bootId: string;
  readonly runtime: Runtime;
  /** Where the agent remembers which store it obeys; without, it forgets when it ends. */
  readonly dataDir?: string;
  /** Whether databases run on when the agent ends. */
  readonly onExit: 'leave' | 'stop';
  /** Where /healthz, /readyz and /metrics are served; nowhere when absent. */
  readonly http?: { readonly host: string; readonly port: number };
  /** Called once it answers there. */
  readonly onServing?: () => void;
  readonly store: Store;
  /** Shares transactions with other cells of this process. */
  readonly commit?: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
}

// How long the store may take to hear that nodes were stopped.
const farewellMs = 5_000;

/** Runs a cell's agent until the signal aborts, then ends in order. Rejects when another agent has this cell's data. */
export async function runCell(options: CellOptions, signal: AbortSignal): Promise<void> {
  const { cell, store, clock, runtime, registry, dataDir } = options;
  const logger = options.logger.child({ cell });
  await runtime.adopt();
  const file = dataDir && join(dataDir, 'store.json');
  const guard = new StoreGuard({ store, file, meanwhile: 'nothing is changed here', logger });
  const events = new EventRecorder({ store, source: `cell/${cell}`, clock, logger });
  const commit = options.commit ?? new GroupCommit(store);
  const engineMetrics = new EngineMetrics(registry);
  const metrics = new CellMetrics(registry, runtime);
  const agent = new CellAgent({ ...options, commit, logger, guard, events, engineMetrics, metrics });
  const http =
    options.http &&
    new HttpServer({
      ...options.http,
      onListening: options.onServing,
      registry,
      logger,
      health: { nodes: () => agent.stuck() },
      readiness: { store: () => agent.unready() },
    });
  const describe = () => describeCell(options, http?.url, guard.problem ?? runtime.problem);
  const look = async (now: AbortSignal) => {
    const wasStrange = guard.problem !== undefined;
    const isKnown = await guard.check(now);
    if (wasStrange && isKnown) agent.lookAtAll();
  };

  // Nodes are supervised, and the store is told of them, until the last of them was dealt with.
  const manager = new Manager({ clock, logger });
  if (http) manager.add(http.part);
  manager.add({ name: 'runtime', stage: 'http', run: (until) => runtime.run(until) });
  manager.add({ name: 'watch', stage: 'informers', run: (until) => agent.watch(until) });
  manager.add({ name: 'events', stage: 'informers', run: (until) => events.run(until) });
  manager.add({
    name: 'registration',
    stage: 'informers',
    run: (until) =>
      keepRegistered({ store, clock, logger, cell, look, describe, onLease: (lease) => agent.hold(lease) }, until),
  });
  manager.add({
    name: 'agent',
    stage: 'always',
    async run(until) {
      await agent.run(until);
      if (options.onExit === 'stop') await agent.stopNodes(farewellMs);
    },
  });
  logger.info({ runtime: runtime.name, zone: options.zone }, 'cell agent started');
  await manager.run(signal);
}

function describeCell(options: CellOptions, url: string | undefined, problem: string | undefined): CellRegistration {
  const { cell, hostname, address, zone, labels, capacity, runtime, version, bootId } = options;
  return {
    cell,
    hostname,
    address,
    zone,
    labels,
    capacity,
    runtime: runtime.name,
    ...(runtime.postgresqlVersions && { postgresql_versions: [...runtime.postgresqlVersions] }),
    images: runtime.takesImages,
    version,
    boot_id: bootId,
    ...(url && { metrics: new URL(url).host }),
    ...(runtime.disk && { disk: runtime.disk }),
    ...(problem && { problem }),
  };
}
