import { Counter, Gauge, type Registry } from 'prom-client';

/** The series of one election. */
export interface ElectionSeries {
  leading(isLeading: boolean): void;
}

/** `leader_election_*`, as client-go has them. */
export class ElectionMetrics {
  readonly #master: Gauge;
  readonly #slowpath: Counter;

  constructor(registry: Registry) {
    const common = { labelNames: ['name'], registers: [registry] };
    this.#master = new Gauge({
      ...common,
      name: 'leader_election_master_status',
      help: '1 while this process leads, 0 while it does not.',
    });
    this.#slowpath = new Counter({
      ...common,
      name: 'leader_election_slowpath_total',
      help: 'Renewals that needed more than one request; always 0: a lease is renewed in one.',
    });
  }

  /** The series of a new election. */
  election(name: string): ElectionSeries {
    this.#master.set({ name }, 0);
    this.#slowpath.inc({ name }, 0);
    return { leading: (isLeading) => this.#master.set({ name }, isLeading ? 1 : 0) };
  }
}
