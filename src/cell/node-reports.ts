import { keyOf } from '../engine/cache.ts';
import { Informer } from '../engine/informer.ts';
import type { InformerMetrics } from '../engine/informer-metrics.ts';
import type { Logger } from '../engine/logger.ts';
import { bindingsPrefix, parseBindingKey } from '../schema/binding.ts';
import type { CellId, NodeId } from '../schema/ids.ts';
import { cellObservedPrefix, type ObservedNode, observedKey, parseObservedKey } from '../schema/observed-node.ts';
import { type Lease, type Op, prefixRange, type Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';
import type { GroupCommit, Write } from './group-commit.ts';
import { bindingKeys, bindings } from './report.ts';

/** What reports need. */
export interface NodeReportsOptions {
  readonly cell: CellId;
  /** The name that this cell's registrar keys carry. */
  readonly hostname: string;
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: InformerMetrics;
  /** Called when somebody else may have changed what is said of a node. */
  readonly onChange: (node: NodeId) => void;
}

/**
 * What the store says of this cell's nodes: observed keys, and the registrar's bindings, which hang on the cell's lease.
 * It watches what it writes, and so writes what differs and nothing else, also when others have meddled.
 */
export class NodeReports {
  readonly #options: NodeReportsOptions;
  readonly #observed: Informer<string>;
  /** By image; a cell runs one image, or few. */
  readonly #bindings = new Map<string, { readonly informer: Informer<string>; readonly running: Promise<void> }>();
  readonly #stop = new AbortController();
  /** What bindings hang on; without one none are put, and those of an earlier agent are left until there is one. */
  lease: Lease | undefined;

  constructor(options: NodeReportsOptions) {
    this.#options = options;
    this.#observed = this.#informer('observed', cellObservedPrefix(options.cell), (key) => parseObservedKey(key)?.node);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#observed.run(signal);
    this.#stop.abort();
    await Promise.all([...this.#bindings.values()].map(({ running }) => running));
  }

  whenSynced(signal: AbortSignal): Promise<void> {
    return this.#observed.whenSynced(signal);
  }

  /** For `/readyz`. */
  unready(): string | undefined {
    return this.#observed.unready();
  }

  *nodes(): Iterable<NodeId> {
    for (const { key } of this.#observed.entries()) {
      const parsed = parseObservedKey(key);
      if (parsed) yield parsed.node;
    }
  }

  /** The text of the node's observed key, undefined when there is none. */
  get(node: NodeId): string | undefined {
    return this.#observed.get(observedKey(this.#options.cell, node))?.value;
  }

  /** Puts the node's observed key if the conditions hold; resolves with whether they did. */
  async claim(report: ObservedNode, conditions: Write['if'], signal: AbortSignal): Promise<boolean> {
    const put: Op = { type: 'put', key: observedKey(this.#options.cell, report.node), value: JSON.stringify(report) };
    const { succeeded, revision } = await this.#options.commit.commit({ if: conditions, then: [put] });
    if (succeeded) await this.#observed.reached(revision, signal);
    return succeeded;
  }

  /** Makes the store say this of the node, with one transaction if anything differs. */
  async publish(report: ObservedNode, image: string, signal: AbortSignal): Promise<void> {
    const { cell, hostname } = this.#options;
    const observed = observedKey(cell, report.node);
    const value = JSON.stringify(report);
    const then: Op[] = [];
    const touched = new Set<Informer<string>>();
    const write = (informer: Informer<string>, op: Op) => {
      then.push(op);
      touched.add(informer);
    };
    if (this.#observed.get(observed)?.value !== value) write(this.#observed, { type: 'put', key: observed, value });
    const announced = await this.#announced(image, signal);
    const lease = this.lease?.lost.aborted ? undefined : this.lease;
    const wanted = bindings(image, hostname, report);
    for (const key of bindingKeys(image, hostname, report.node).values()) {
      const is = announced.get(key);
      const address = wanted.get(key);
      if (address === undefined) {
        if (is) write(announced, { type: 'delete', key });
      } else if (lease && (is?.value !== address || is.leaseId !== lease.id)) {
        write(announced, { type: 'put', key, value: address, leaseId: lease.id });
      }
    }
    if (then.length === 0) return;
    const { revision } = await this.#options.commit.commit({ if: [], then });
    // Only with its own writes in sight it can tell them from what others wrote.
    for (const informer of touched) await informer.reached(revision, signal);
  }

  /** Makes the store say nothing of the node. */
  async withdraw(node: NodeId, image: string, signal: AbortSignal): Promise<void> {
    const { cell, hostname } = this.#options;
    const keys = [observedKey(cell, node), ...bindingKeys(image, hostname, node).values()];
    const { revision } = await this.#options.commit.commit({
      if: [],
      then: keys.map((key): Op => ({ type: 'delete', key })),
    });
    await this.#observed.reached(revision, signal);
  }

  async #announced(image: string, signal: AbortSignal): Promise<Informer<string>> {
    let known = this.#bindings.get(image);
    if (!known) {
      const prefix = `${bindingsPrefix(image)}${this.#options.hostname}:`;
      const informer = this.#informer(`bindings ${image}`, prefix, (key) => parseBindingKey(key)?.node);
      known = { informer, running: informer.run(this.#stop.signal) };
      this.#bindings.set(image, known);
    }
    await known.informer.whenSynced(signal);
    return known.informer;
  }

  #informer(name: string, prefix: string, nodeOf: (key: string) => NodeId | undefined): Informer<string> {
    const { store, clock, logger, metrics, onChange } = this.#options;
    const range = prefixRange(prefix);
    const informer = new Informer({ name, store, range, parse: (kv) => kv.value, clock, logger, metrics });
    informer.onChange((change) => {
      const node = nodeOf(keyOf(change));
      if (node) onChange(node);
    });
    return informer;
  }
}
