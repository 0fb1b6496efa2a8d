import { Counter, type Registry } from 'prom-client';

/** The calls of `Store`, as `method` label. */
export type RequestMethod = 'get' | 'list' | 'txn' | 'watch' | 'lease' | 'identity';

/** The series of one client. */
export interface RequestSeries {
  answered(method: RequestMethod, code: string): void;
}

/** `rest_client_requests_total`, as client-go has it; the code is gRPC's, the method the store's. */
export class RequestMetrics {
  readonly #total: Counter;

  constructor(registry: Registry) {
    this.#total = new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the store, by how they were answered.',
      labelNames: ['code', 'method', 'host'],
      registers: [registry],
    });
  }

  /** The series of a new client. */
  client(host: string): RequestSeries {
    for (const method of ['get', 'list', 'txn', 'watch', 'lease', 'identity']) {
      this.#total.inc({ code: 'OK', method, host }, 0);
    }
    return { answered: (method, code) => this.#total.inc({ code, method, host }) };
  }
}
