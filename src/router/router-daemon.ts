import { access, constants, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EventRecorder } from '../engine/event-recorder.ts';
import { HttpServer } from '../engine/http-server.ts';
import { Informer } from '../engine/informer.ts';
import type { Logger } from '../engine/logger.ts';
import { Manager } from '../engine/manager.ts';
import { EngineMetrics, type Registry } from '../engine/metrics.ts';
import { StoreGuard } from '../engine/store-guard.ts';
import type { RouterId } from '../schema/ids.ts';
import type { PortRange, RouterRegistration as RouterDocument } from '../schema/routing.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { parseFact, routingRange } from './fact.ts';
import { checkHaproxy, checkSocketPath } from './haproxy-process.ts';
import { PortBlock } from './port-block.ts';
import { RouteApplier } from './route-applier.ts';
import { RouteReporter } from './route-reporter.ts';
import { RouterMetrics } from './router-metrics.ts';
import { RouterRegistration } from './router-registration.ts';
import { RoutingView } from './routing-view.ts';

export interface RouterOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly router: RouterId;
  /** The host that clients are told to connect to. */
  readonly address: string;
  /** Where HAProxy listens; `0.0.0.0` for all addresses. */
  readonly bindAddress: string;
  readonly portRange: PortRange;
  readonly dataDir: string;
  readonly haproxyPath: string;
  /** Whether HAProxy stays when the router ends: the data path does not need us. */
  readonly onExit: 'leave' | 'stop';
  /** Where /healthz, /readyz and /metrics are served; no `http`: by somebody else in this process. */
  readonly http?: { readonly host: string; readonly port: number };
  /** Called once it answers there. */
  readonly onServing?: () => void;
  readonly version: string;
}

/**
 * The router daemon: follows allocations and leaders, keeps HAProxy's slots equal to them, and says up to which revision
 * they are. Rejects when HAProxy is not installed, or refuses its configuration, or the data directory is of no use.
 */
export async function runRouter(options: RouterOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, registry, router, portRange: range, haproxyPath, onExit } = options;
  const logger = options.logger.child({ router });
  const dataDir = resolve(options.dataDir);
  await prepareDataDir(dataDir);
  checkSocketPath(dataDir, clock);
  await checkHaproxy(haproxyPath);

  const engine = new EngineMetrics(registry);
  const view = new RoutingView(range);
  const informer = new Informer({
    name: 'routing',
    store,
    range: routingRange,
    parse: parseFact,
    clock,
    logger,
    metrics: engine.informers,
  });
  const events = new EventRecorder({ store, source: `router/${router}`, clock, logger });
  const reporter = new RouteReporter({ view, logger, events });
  const file = join(dataDir, 'store.json');
  const guard = new StoreGuard({ store, file, meanwhile: 'routes stay as they are', logger });
  const registration = new RouterRegistration({ store, clock, logger, router });
  const metrics = new RouterMetrics(registry, {
    routes: () => view.countStates(),
    refusedPorts: () => block.refused.length,
    unappliedMs: () => applier.unappliedMs,
    haproxyUp: () => block.problem === undefined,
  });

  const block = new PortBlock({
    ...{ range, dataDir, haproxyPath, onExit, clock, logger, bindAddress: options.bindAddress },
    wishOf: (publicPort, role) =>
      guard.problem === undefined ? view.route(publicPort)[role] : { kind: 'hold', reason: guard.problem },
    onChange: () => {
      if (block.problem !== undefined) registration.say(undefined);
      else applier.look(publicPorts(range));
    },
    onGone: () => {
      metrics.restarts.inc();
      registration.say(undefined);
    },
  });
  const applier = new RouteApplier({
    ...{ view, block, range, clock, logger },
    viewRevision: () => informer.revision,
    isTrusted: () => guard.check(),
    onApplied: (revision, ports, tookMs) => {
      metrics.convergence.observe(tookMs / 1000);
      reporter.report(ports);
      // While an HAProxy is being started, its routes are not live; it calls for another look when they are.
      if (block.problem === undefined) registration.say(registrationOf(revision));
    },
  });
  const registrationOf = (revision: bigint): RouterDocument => ({
    router,
    address: options.address,
    applied_revision: revision.toString(),
    refused_ports: [...new Set([...block.refused, ...applier.broken])].sort((a, b) => a - b),
    ports: `${range.first}-${range.last}`,
    version: options.version,
    ...(http && { metrics: new URL(http.url).host }),
  });

  informer.onChange((change) => {
    if (change.type === 'put') view.apply(change.entry.value, change.entry.modRevision);
    else view.apply(change.old.value, undefined);
  });
  informer.onBatch(() => {
    const { ports, instances } = view.takeChanges();
    reporter.note(instances);
    if (ports.size > 0 || instances.size > 0) applier.look(ports);
  });

  const http =
    options.http &&
    new HttpServer({
      ...options.http,
      onListening: options.onServing,
      registry,
      logger,
      readiness: { informer: () => informer.unready(), haproxy: () => block.problem, store: () => guard.problem },
    });
  const manager = new Manager({ clock, logger });
  if (http) manager.add(http.part);
  manager.addInformer(informer);
  manager.add({ name: 'haproxy', stage: 'always', run: (stopping) => block.run(stopping) });
  manager.add({ name: 'routes', stage: 'always', run: (stopping) => applier.run(stopping) });
  manager.add({ name: 'registration', stage: 'always', run: (stopping) => registration.run(stopping) });
  manager.add({ name: 'events', stage: 'always', run: (stopping) => events.run(stopping) });
  await manager.run(signal);
}

async function prepareDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Error(`data directory ${dataDir} cannot be written`, { cause: error });
  }
}

function* publicPorts({ first, last }: PortRange): Iterable<number> {
  for (let port = first; port <= last; port++) yield port;
}
