import type { Event, KeyValue } from '../messages.ts';
import type { Batch, LeaseRecord, ScanOptions, Span, View } from '../storage/engine.ts';
import { spanHas } from './key-span.ts';

const noBytes = Buffer.alloc(0);

/**
 * What the writes of one group commit have decided so far, over the store as it was before them: each sees what those
 * before it wrote. Nothing of it is anywhere else until the engine has made the whole batch durable.
 */
export class Draft implements View {
  readonly #base: View;
  readonly #newest = new Map<string, KeyValue | undefined>();
  readonly #events: Event[] = [];
  readonly #leases = new Map<bigint, LeaseRecord | undefined>();
  readonly #meta = new Map<string, Buffer | undefined>();
  /** Bytes that are to be written, those that become history too. */
  #bytes = 0;
  #revision: bigint;
  #compactRevision: bigint;
  #wroteInTxn = false;
  #changed = false;

  constructor(base: View) {
    this.#base = base;
    this.#revision = base.revision;
    this.#compactRevision = base.compactRevision;
  }

  /** As the transaction that runs now sees it: its own first write begins a revision. */
  get revision(): bigint {
    return this.#wroteInTxn ? this.#revision + 1n : this.#revision;
  }

  get compactRevision(): bigint {
    return this.#compactRevision;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Everything that was decided; undefined when it is nothing. */
  get batch(): Batch | undefined {
    if (!this.#changed) return undefined;
    return {
      since: this.#base.revision,
      revision: this.#revision,
      compactRevision: this.#compactRevision,
      events: this.#events,
      leases: this.#leases,
      meta: this.#meta,
    };
  }

  /** Ends a transaction: the next one writes at the next revision. Returns the revision after it. */
  endTxn(): bigint {
    if (this.#wroteInTxn) this.#revision += 1n;
    this.#wroteInTxn = false;
    return this.#revision;
  }

  get(key: Buffer): KeyValue | undefined {
    if (this.#newest.size) {
      const text = key.toString('latin1');
      const newest = this.#newest.get(text);
      if (newest || this.#newest.has(text)) return newest;
    }
    return this.#base.get(key);
  }

  put(key: Buffer, value: Buffer, lease: bigint): KeyValue | undefined {
    const previous = this.get(key);
    const modRevision = this.#nextRevision();
    const createRevision = previous ? previous.createRevision : modRevision;
    const version = previous ? previous.version + 1n : 1n;
    const kv = { key, createRevision, modRevision, version, value, lease };
    this.#newest.set(key.toString('latin1'), kv);
    this.#events.push({ type: 'PUT', kv, prevKv: previous });
    this.#bytes += key.length + value.length + (previous ? previous.value.length : 0);
    return previous;
  }

  delete(previous: KeyValue): void {
    const { key } = previous;
    const modRevision = this.#nextRevision();
    const kv = { key, createRevision: 0n, modRevision, version: 0n, value: noBytes, lease: 0n };
    this.#newest.set(key.toString('latin1'), undefined);
    this.#events.push({ type: 'DELETE', kv, prevKv: previous });
    this.#bytes += key.length + previous.value.length;
  }

  putLease(lease: LeaseRecord): void {
    this.#leases.set(lease.id, lease);
    this.#changed = true;
  }

  removeLease(id: bigint): void {
    this.#leases.set(id, undefined);
    this.#changed = true;
  }

  setMeta(name: string, value: Buffer | undefined): void {
    this.#meta.set(name, value);
    this.#changed = true;
  }

  compact(revision: bigint): void {
    this.#compactRevision = revision;
    this.#changed = true;
  }

  scan(span: Span, options: ScanOptions = {}): readonly KeyValue[] {
    const changes = this.#changesIn(span, options.revision);
    if (changes.size === 0) return this.#base.scan(span, options);
    const { limit = Number.POSITIVE_INFINITY, keysOnly = false } = options;
    const kvs = this.#base.scan(span, { keysOnly }).filter(({ key }) => !changes.has(key.toString('latin1')));
    for (const kv of changes.values()) if (kv) kvs.push(kv);
    kvs.sort((a, b) => Buffer.compare(a.key, b.key));
    return kvs.length > limit ? kvs.slice(0, limit) : kvs;
  }

  count(span: Span, revision?: bigint): number {
    if (this.#changesIn(span, revision).size === 0) return this.#base.count(span, revision);
    return this.scan(span, { revision, keysOnly: true }).length;
  }

  lease(id: bigint): LeaseRecord | undefined {
    return this.#leases.has(id) ? this.#leases.get(id) : this.#base.lease(id);
  }

  meta(name: string): Buffer | undefined {
    return this.#meta.has(name) ? this.#meta.get(name) : this.#base.meta(name);
  }

  keysOf(lease: bigint): readonly Buffer[] {
    const keys = this.#base.keysOf(lease);
    if (this.#newest.size === 0) return keys;
    const kept = keys.filter((key) => !this.#newest.has(key.toString('latin1')));
    for (const kv of this.#newest.values()) if (kv?.lease === lease) kept.push(kv.key);
    return kept.sort(Buffer.compare);
  }

  #nextRevision(): bigint {
    this.#wroteInTxn = true;
    this.#changed = true;
    return this.#revision + 1n;
  }

  /** How the keys of a span differ at a revision from what the base holds of it then. */
  #changesIn(span: Span, revision: bigint | undefined): Map<string, KeyValue | undefined> {
    const changes = new Map<string, KeyValue | undefined>();
    if (revision !== undefined && revision <= this.#base.revision) return changes;
    for (const { type, kv } of this.#events) {
      if (revision !== undefined && kv.modRevision > revision) break;
      if (spanHas(span, kv.key)) changes.set(kv.key.toString('latin1'), type === 'PUT' ? kv : undefined);
    }
    return changes;
  }
}
