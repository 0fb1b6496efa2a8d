import { Informer } from '../../engine/informer.ts';
import type { InformerMetrics } from '../../engine/informer-metrics.ts';
import type { Logger } from '../../engine/logger.ts';
import { bindingsPrefix } from '../../schema/binding.ts';
import { cellsPrefix } from '../../schema/cell.ts';
import { desiredStatePrefix } from '../../schema/desired-state.ts';
import { servicePrefix } from '../../schema/patroni.ts';
import { routingPrefix } from '../../schema/routing.ts';
import { type KeyValue, prefixRange, rangeContains, type Store } from '../../store/store.ts';
import type { Clock } from '../../time/clock.ts';
import {
  type CellFact,
  type InstanceFact,
  type RoutingFact,
  readCellFact,
  readInstanceFact,
  readRoutingFact,
  readScopeFact,
  type ScopeFact,
} from './facts-of-keys.ts';
import type { Settings } from './instance-view.ts';

export interface InformersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: InformerMetrics;
  readonly settings: Settings;
}

/** An informer, whatever it holds. */
type Watched = Pick<Informer<unknown>, 'name' | 'range' | 'reached' | 'catchUp' | 'unready'>;

/** All that the controller watches: five prefixes, each with what decisions need of its pairs. */
export class Informers {
  readonly instances: Informer<InstanceFact>;
  readonly scopes: Informer<ScopeFact>;
  readonly cells: Informer<CellFact>;
  readonly routing: Informer<RoutingFact>;
  readonly bindings: Informer<string>;
  readonly all: readonly Watched[];

  constructor({ settings, ...options }: InformersOptions) {
    const informer = <T>(name: string, prefix: string, parse: (kv: KeyValue) => T) =>
      new Informer({ ...options, name, range: prefixRange(prefix), parse });
    this.instances = informer('instances', desiredStatePrefix, (kv) => readInstanceFact(kv, settings.catalog));
    this.scopes = informer('scopes', servicePrefix, readScopeFact);
    this.cells = informer('cells', cellsPrefix, readCellFact);
    this.routing = informer('routing', routingPrefix, readRoutingFact);
    this.bindings = informer('bindings', bindingsPrefix(settings.image), ({ value }) => value);
    this.all = [this.instances, this.scopes, this.cells, this.routing, this.bindings];
  }

  /** Resolves once whatever was written to `keys` at `revision` is known here. */
  async reached(keys: readonly string[], revision: bigint, signal: AbortSignal): Promise<void> {
    const written = this.all.filter(({ range }) => keys.some((key) => rangeContains(range, key)));
    await Promise.all(written.map((informer) => informer.reached(revision, signal)));
  }

  /** Resolves once everything up to `revision` is known here, whether or not there was anything to know. */
  async catchUp(revision: bigint, signal: AbortSignal): Promise<void> {
    await Promise.all(this.all.map((informer) => informer.catchUp(revision, signal)));
  }
}
