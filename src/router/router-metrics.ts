import { Counter, Gauge, Histogram, type Registry } from '../engine/metrics.ts';

/** What the gauges of a router ask when they are scraped. */
export interface RouterProbe {
  /** Instances by what becomes of new connections. */
  routes(): Readonly<Record<'open' | 'held' | 'shut', number>>;
  refusedPorts(): number;
  /** How long the oldest change that was seen has not been live. */
  unappliedMs(): number;
  /** Whether HAProxy runs with what it was given. */
  haproxyUp(): boolean;
}

/** `router_*`. */
export class RouterMetrics {
  readonly convergence: Histogram;
  readonly restarts: Counter;

  constructor(registry: Registry, probe: RouterProbe) {
    const registers = [registry];
    this.convergence = new Histogram({
      name: 'router_route_convergence_seconds',
      help: 'From a change of keys seen to all routes that follow from it being live in HAProxy.',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
    this.restarts = new Counter({
      name: 'router_haproxy_restarts_total',
      help: 'Times an HAProxy was gone that nobody had stopped.',
      registers,
    });
    new Gauge({
      name: 'router_routes',
      help: 'Instances with a port, by state: open; held as it was because nobody leads; shut because something is wrong.',
      labelNames: ['state'],
      registers,
      collect() {
        for (const [state, count] of Object.entries(probe.routes())) this.set({ state }, count);
      },
    });
    new Gauge({
      name: 'router_refused_ports',
      help: 'Ports of the block that another program holds.',
      registers,
      collect() {
        this.set(probe.refusedPorts());
      },
    });
    new Gauge({
      name: 'router_unapplied_seconds',
      help: 'How long the oldest change of keys that was seen has not been live in HAProxy; 0 when all are.',
      registers,
      collect() {
        this.set(probe.unappliedMs() / 1000);
      },
    });
    new Gauge({
      name: 'router_haproxy_up',
      help: '1 while HAProxy runs, 0 while it does not.',
      registers,
      collect() {
        this.set(probe.haproxyUp() ? 1 : 0);
      },
    });
  }
}
