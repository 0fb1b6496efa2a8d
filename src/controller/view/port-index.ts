import type { InstanceId } from '../../schema/ids.ts';
import { parseQuarantine } from '../../schema/quarantine.ts';
import type { PortRange } from '../../schema/routing.ts';
import type { PortQuarantine } from './instance-view.ts';

/** Who has which public port, by allocation and by the port's own key, those about to be taken included. */
export class PortIndex {
  readonly #holders = new Map<number, string>();
  readonly #heldBy = new Map<string, number[]>();
  readonly #allocated = new Map<number, InstanceId[]>();
  readonly #assumed = new Map<number, InstanceId>();
  readonly #quarantined = new Map<number, PortQuarantine>();
  readonly #promised = new Map<InstanceId, number>();
  #hint: number | undefined;

  /** Whom the port's own key names, or who is about to take it. */
  holder(port: number): string | undefined {
    return this.#holders.get(port) ?? this.#assumed.get(port);
  }

  /** The port's quarantine, undefined when it has none or is about to be taken. */
  quarantine(port: number): PortQuarantine | undefined {
    return this.#assumed.has(port) ? undefined : this.#quarantined.get(port);
  }

  /** How many ports were left since then by instances whose deletion nobody confirmed. */
  releasedSince(ms: number): number {
    let count = 0;
    for (const { releasedMs, confirmed } of this.#quarantined.values()) if (!confirmed && releasedMs > ms) count += 1;
    return count;
  }

  heldBy(instance: InstanceId): readonly number[] {
    return this.#heldBy.get(instance) ?? [];
  }

  allocatedTo(port: number): readonly InstanceId[] {
    return this.#allocated.get(port) ?? [];
  }

  /** The port after the one that was assumed last, while any is. */
  get hint(): number | undefined {
    return this.#assumed.size > 0 ? this.#hint : undefined;
  }

  /** The highest allocated port of the range. */
  highest({ first, last }: PortRange): number | undefined {
    const inRange = [...this.#allocated.keys(), ...this.#holders.keys()].filter(
      (port) => port >= first && port <= last,
    );
    return inRange.reduce<number | undefined>((most, port) => Math.max(most ?? port, port), undefined);
  }

  free({ first, last }: PortRange): number {
    let taken = 0;
    for (const port of this.#holders.keys()) if (port >= first && port <= last) taken += 1;
    return last - first + 1 - taken;
  }

  setHolder(port: number, instance: string | undefined, modRevision: bigint): void {
    const quarantine = instance === undefined ? undefined : parseQuarantine(instance);
    if (quarantine) {
      const { until, released, confirmed = false } = quarantine;
      const [untilMs, releasedMs] = [Date.parse(until), Date.parse(released)];
      this.#quarantined.set(port, { untilMs, releasedMs, confirmed, modRevision });
    } else this.#quarantined.delete(port);
    const old = this.#holders.get(port);
    if (old !== undefined) remove(this.#heldBy, old, port);
    if (instance === undefined) this.#holders.delete(port);
    else {
      this.#holders.set(port, instance);
      add(this.#heldBy, instance, port);
      this.#heldBy.get(instance)?.sort((one, other) => one - other);
    }
  }

  addAllocation(port: number, instance: InstanceId): void {
    add(this.#allocated, port, instance);
  }

  removeAllocation(port: number, instance: InstanceId): void {
    remove(this.#allocated, port, instance);
  }

  /** The port that the instance is about to take. */
  promisedTo(instance: InstanceId): number | undefined {
    return this.#promised.get(instance);
  }

  /** Keeps the port from all others until `forget`. */
  assume(port: number, instance: InstanceId): void {
    if (this.#promised.get(instance) === port) return;
    this.forget(instance);
    this.#promised.set(instance, port);
    this.#assumed.set(port, instance);
    this.#hint = port + 1;
  }

  forget(instance: InstanceId): void {
    const port = this.#promised.get(instance);
    if (port === undefined) return;
    this.#promised.delete(instance);
    this.#assumed.delete(port);
  }
}

function add<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const values = map.get(key);
  if (!values) map.set(key, [value]);
  else if (!values.includes(value)) values.push(value);
}

function remove<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const left = (map.get(key) ?? []).filter((each) => each !== value);
  if (left.length > 0) map.set(key, left);
  else map.delete(key);
}
