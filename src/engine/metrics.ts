import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ControllerMetrics } from './controller-metrics.ts';
import { ElectionMetrics } from './election-metrics.ts';
import { InformerMetrics } from './informer-metrics.ts';

export { Counter, Gauge, Histogram, Registry };

/**
 * What the engine measures, named as client-go and controller-runtime name it, so that existing dashboards work.
 * One registry per process, passed in: a second declaration of a name in one registry throws.
 */
export class EngineMetrics {
  readonly informers: InformerMetrics;
  readonly controllers: ControllerMetrics;
  readonly elections: ElectionMetrics;

  constructor(registry: Registry) {
    this.informers = new InformerMetrics(registry);
    this.controllers = new ControllerMetrics(registry);
    this.elections = new ElectionMetrics(registry);
  }
}

/** Adds CPU, memory, event loop and garbage collection of this process to the registry. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
}
