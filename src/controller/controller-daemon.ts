import { Controller, lowPriority, type Reconcile, TerminalError } from '../engine/controller.ts';
import { Election } from '../engine/election.ts';
import { EventRecorder } from '../engine/event-recorder.ts';
import { HttpServer } from '../engine/http-server.ts';
import type { Logger } from '../engine/logger.ts';
import { Manager } from '../engine/manager.ts';
import { EngineMetrics, type Registry } from '../engine/metrics.ts';
import { controllerLeaderKey } from '../schema/election.ts';
import type { Compare, Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import { BindingReconciler } from './binding-reconciler.ts';
import { bootstrap } from './bootstrap.ts';
import { snapshotMetrics } from './census/snapshot-metrics.ts';
import { listTargets } from './census/targets.ts';
import { Timings } from './census/timings.ts';
import { ControllerMetrics } from './controller-metrics.ts';
import { FleetReconciler, fleetKey } from './fleet-reconciler.ts';
import { InstanceReconciler } from './instance-reconciler.ts';
import { SnapshotExporter, type SnapshotTarget } from './snapshot-exporter.ts';
import { BindingIndex } from './view/binding-index.ts';
import { Herd } from './view/herd.ts';
import { Informers } from './view/informers.ts';
import type { Settings } from './view/instance-view.ts';
import { MoveBudget } from './view/move-budget.ts';
import { defaultSettings } from './view/settings.ts';
import { Waits } from './view/waits.ts';
import { type Urgency, wakeOnChange } from './view/wake.ts';

export interface ControllerDaemonOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Declared in `registry`; given when several daemons share one process. */
  readonly metrics?: EngineMetrics;
  /** Who this is, for people: the value of `/pgherd/leader`. */
  readonly identity: string;
  /** Where a snapshot is written every day; nowhere when left out. */
  readonly snapshots?: SnapshotTarget | undefined;
  /** What differs from `defaultSettings`. */
  readonly settings?: Partial<Settings>;
  /** Instances that are worked on at a time; default 32. */
  readonly concurrency?: number;
  /** Where `/healthz`, `/readyz`, `/metrics` and `/targets` are served; nowhere when left out. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Called once it answers there. */
  readonly onServing?: () => void;
  /** False: no series for single instances, for herds of thousands; default true. */
  readonly instanceMetrics?: boolean;
}

const bindingsAfterMs = 1_000;
const mergeMs = 100;

/**
 * The controller: watches the key space, decides, and writes, while it leads; a standby watches too, so that it can go
 * on at once. Resolves when the signal aborted and everything has stopped; rejects when leadership is lost.
 */
export async function runController(options: ControllerDaemonOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, registry, identity, concurrency = 32 } = options;
  const logger = options.logger.child({ daemon: 'controller' });
  const metrics = options.metrics ?? new EngineMetrics(registry);
  const settings: Settings = { ...defaultSettings, ...options.settings };
  const common = { store, clock, logger };
  const informers = new Informers({ ...common, metrics: metrics.informers, settings });
  const herd = new Herd(settings, informers, new MoveBudget(clock));
  const waits = new Waits();
  const events = new EventRecorder({ ...common, source: 'controller' });
  const own = new ControllerMetrics(registry);
  own.observe(registry, informers, herd, { perInstance: options.instanceMetrics ?? true });

  const instanceReconciler = new InstanceReconciler({ ...common, informers, herd, waits, events, metrics: own });
  const fleetReconciler = new FleetReconciler({ ...common, informers, herd, events });
  const bindingIndex = new BindingIndex(informers, herd);
  const bindingReconciler = new BindingReconciler(store, informers, bindingIndex);
  let fence: Compare | undefined;
  new Timings({ registry, informers, herd, clock, isLeading: () => fence !== undefined });
  const controller = (name: string, workers: number, reconcile: FencedReconcile) =>
    new Controller({
      clock,
      logger,
      metrics: metrics.controllers,
      name,
      concurrency: workers,
      async reconcile(key, context) {
        if (!fence) throw new TerminalError(`reconcile ${key} without leading`);
        try {
          return await reconcile(key, fence, context);
        } catch (error) {
          own.noteRefusal(error);
          throw error;
        }
      },
    });
  const instances = controller('instance', concurrency, (...args) => instanceReconciler.reconcile(...args));
  const fleet = controller('fleet', 1, (_, ...args) => fleetReconciler.reconcile(...args));
  fleetReconciler.wakeOnChange(() => fleet.enqueue(fleetKey, { afterMs: mergeMs }));
  const bindings = controller('binding', 4, (...args) => bindingReconciler.reconcile(...args));
  wakeOnChange(informers, herd, waits, (instance, urgency) => instances.enqueue(instance, howSoon[urgency]));
  bindingIndex.wakeOnChange((node) => bindings.enqueue(node, { afterMs: bindingsAfterMs }));

  const election = new Election({ ...common, key: controllerLeaderKey, identity, metrics: metrics.elections });
  const manager = new Manager({ clock, logger, election });
  manager.addInformer(informers.instances);
  manager.addInformer(informers.scopes);
  manager.addInformer(informers.cells);
  manager.addInformer(informers.routing);
  manager.addInformer(informers.bindings);
  manager.add({ name: 'events', stage: 'always', run: (stopping) => events.run(stopping) });
  manager.add({
    name: 'reconcilers',
    stage: 'leader',
    async run(leading, leadership) {
      fence = leadership.fence;
      await bootstrap(store, fence, herd, informers, leading);
      await Promise.all([instances.run(leading), bindings.run(leading), fleet.run(leading)]);
    },
  });
  if (options.snapshots) {
    snapshotMetrics(registry, options.snapshots.directory);
    const exporter = new SnapshotExporter({ ...common, ...options.snapshots, events });
    manager.add({ name: 'snapshots', stage: 'leader', run: (leading) => exporter.run(leading) });
  }
  if (options.listen) {
    const server = new HttpServer({
      ...options.listen,
      onListening: options.onServing,
      registry,
      logger,
      health: { instances: () => instances.stuck(), bindings: () => bindings.stuck(), fleet: () => fleet.stuck() },
      readiness: Object.fromEntries(informers.all.map((informer) => [informer.name, () => informer.unready()])),
      documents: { '/targets': (query) => listTargets(query.get('job'), { cells: herd.cells, informers }) },
    });
    manager.add(server.part);
  }
  await manager.run(signal);
}

const howSoon: Readonly<Record<Urgency, { readonly priority?: number; readonly afterMs?: number }>> = {
  now: {},
  soon: { afterMs: mergeMs },
  idle: { priority: lowPriority },
};

type FencedReconcile = (key: string, fence: Compare, context: Parameters<Reconcile>[1]) => ReturnType<Reconcile>;
