import type { EventRecorder } from '../engine/event-recorder.ts';
import type { Logger } from '../engine/logger.ts';
import type { InstanceId } from '../schema/ids.ts';
import type { RoutingView } from './routing-view.ts';

export interface RouteReporterOptions {
  readonly view: RoutingView;
  readonly logger: Logger;
  readonly events: Pick<EventRecorder, 'record'>;
}

/** Tells people where ports lead, and why one does not, once for every change. */
export class RouteReporter {
  readonly #options: RouteReporterOptions;
  /** What was said last of each instance. */
  readonly #said = new Map<InstanceId, string>();
  readonly #noted = new Set<InstanceId>();
  #isFirst = true;

  constructor(options: RouteReporterOptions) {
    this.#options = options;
  }

  /** These instances are of interest although no port of the block is theirs. */
  note(instances: Iterable<InstanceId>): void {
    for (const instance of instances) this.#noted.add(instance);
  }

  /** Call after the routes of these ports were applied. The first time only what is wrong is news. */
  report(ports: Iterable<number>): void {
    for (const port of ports) this.note(this.#options.view.claimants(port));
    for (const instance of this.#noted) this.#reportInstance(instance);
    this.#noted.clear();
    this.#isFirst = false;
  }

  #reportInstance(instance: InstanceId): void {
    const { view, logger, events } = this.#options;
    const object = `instance/${instance}`;
    const status = view.statusOf(instance);
    if (status?.state === 'held') return;
    const said = status?.state === 'open' ? `port ${status.port} leads to ${status.leader}` : status?.problem;
    if (said === this.#said.get(instance)) return;
    if (said === undefined) this.#said.delete(instance);
    else this.#said.set(instance, said);
    if (status?.state === 'open') {
      if (this.#isFirst) return;
      logger.info({ instance, port: status.port, leader: status.leader }, 'route changed');
      events.record({
        type: 'Normal',
        reason: 'Routed',
        object,
        message: `port ${status.port} leads to ${status.leader}`,
      });
    } else if (status) {
      logger.warn({ instance, problem: status.problem }, 'no new connections');
      events.record({ type: 'Warning', reason: 'NotRouted', object, message: `no new connections: ${status.problem}` });
    }
  }
}
