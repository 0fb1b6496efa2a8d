import {
  type Compare,
  type KeyRange,
  type KeyValue,
  type Op,
  rangeContains,
  type TxnRequest,
  type TxnResult,
  type WatchBatch,
  type WatchEvent,
  type WriteOp,
} from './store.ts';
import { CompactedError, StoreError } from './store-error.ts';
import { checkShape } from './txn-shape.ts';

/** The server side of `MemoryStore`: etcd's data model without its network. Several stores on one keyspace are several clients. */
export class Keyspace {
  readonly #pairs = new Map<string, KeyValue>();
  readonly #leases = new Map<bigint, Set<string>>();
  readonly #holders = new Map<bigint, { readonly ttlSeconds: number; count: number }>();
  readonly #listeners = new Set<(batch: WatchBatch) => void>();
  /** What happened at each revision from `#historyFrom` on, without gaps. */
  readonly #history: WatchBatch[] = [];
  #historyFrom = 2n;
  #revision = 1n;
  #compactRevision = 0n;
  #lastLeaseId = 0n;

  get revision(): bigint {
    return this.#revision;
  }

  get(key: string): KeyValue | undefined {
    return this.#pairs.get(key);
  }

  list(range: KeyRange): KeyValue[] {
    const kvs = [...this.#pairs.values()].filter((kv) => rangeContains(range, kv.key));
    return kvs.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  txn(request: TxnRequest): TxnResult {
    checkShape(request);
    const succeeded = this.#holds(request.if);
    const ops = succeeded ? request.then : (request.else ?? []);
    const held = ops.flatMap((op) => (op.type === 'when' ? this.#holds(op.if) : []));
    const due = ops.flatMap((op) => this.#due(op));
    this.#checkLeases(due);
    const events: WatchEvent[] = [];
    const reads: (KeyValue | undefined)[] = [];
    for (const op of due) {
      if (op.type === 'get') reads.push(this.#pairs.get(op.key));
      else if (op.type === 'put') events.push(this.#put(op.key, op.value, op.leaseId ?? 0n));
      else if (op.type === 'delete') events.push(...this.#delete([op.key]));
      else events.push(...this.#delete(this.list(op.range).map((kv) => kv.key)));
    }
    this.#commit(events);
    return { succeeded, revision: this.#revision, reads, held };
  }

  grant(ttlSeconds = 60): bigint {
    this.#lastLeaseId += 1n;
    this.#leases.set(this.#lastLeaseId, new Set());
    this.#holders.set(this.#lastLeaseId, { ttlSeconds, count: 0 });
    return this.#lastLeaseId;
  }

  /** Undefined: there is no such lease. */
  ttlOf(leaseId: bigint): number | undefined {
    return this.#holders.get(leaseId)?.ttlSeconds;
  }

  /** One more client keeps it alive. */
  hold(leaseId: bigint): void {
    const holders = this.#holders.get(leaseId);
    if (holders) holders.count += 1;
  }

  /** One client has not kept it alive for its ttl: if nobody else has, it ends. */
  release(leaseId: bigint): void {
    const holders = this.#holders.get(leaseId);
    if (!holders) return;
    holders.count -= 1;
    if (holders.count <= 0) this.revoke(leaseId);
  }

  /** Ends a lease: all its keys go in one revision. */
  revoke(leaseId: bigint): void {
    const keys = [...(this.#leases.get(leaseId) ?? [])].sort();
    this.#leases.delete(leaseId);
    this.#holders.delete(leaseId);
    this.#commit(this.#delete(keys));
  }

  /** Everything that happened to the range from `fromRevision` until now. */
  since(range: KeyRange, fromRevision: bigint): WatchBatch | undefined {
    if (fromRevision < this.#compactRevision) throw new CompactedError(this.#compactRevision);
    if (fromRevision > this.#revision + 1n) throw new CompactedError(this.#revision, 'the store went back');
    const skip = Math.max(0, Number(fromRevision - this.#historyFrom));
    return restrict(
      this.#history.slice(skip).flatMap((batch) => batch.events),
      range,
    );
  }

  /** Calls `listener` with every later change to the range that has at least `fromRevision`. */
  subscribe(range: KeyRange, fromRevision: bigint, listener: (batch: WatchBatch) => void): () => void {
    const onCommit = (batch: WatchBatch) => {
      const seen = batch.revision < fromRevision ? undefined : restrict(batch.events, range);
      if (seen) listener(seen);
    };
    this.#listeners.add(onCommit);
    return () => this.#listeners.delete(onCommit);
  }

  /** Forgets what happened before `revision`. */
  compact(revision: bigint): void {
    if (revision <= this.#compactRevision) throw new CompactedError(this.#compactRevision);
    if (revision > this.#revision) throw new RangeError(`compaction at revision ${revision} of ${this.#revision}`);
    this.#history.splice(0, Math.max(0, Number(revision - this.#historyFrom)));
    if (revision > this.#historyFrom) this.#historyFrom = revision;
    this.#compactRevision = revision;
  }

  #holds(compares: readonly Compare[]): boolean {
    return compares.every((compare) => holds(compare, this.#pairs.get(compare.key)));
  }

  /** What is to be done of an operation, as things were before the transaction. */
  #due(op: Op): readonly Unconditional[] {
    if (op.type === 'when') return this.#holds(op.if) ? op.then : [];
    if (op.type !== 'raise') return [op];
    const { key, value } = op;
    return this.#holds([{ key, target: 'value', op: '<', value }]) ? [{ type: 'put', key, value }] : [];
  }

  #put(key: string, value: string, leaseId: bigint): WatchEvent {
    const old = this.#pairs.get(key);
    const modRevision = this.#revision + 1n;
    const kv = { key, value, createRevision: old?.createRevision ?? modRevision, modRevision, leaseId };
    if (old) this.#leases.get(old.leaseId)?.delete(key);
    this.#leases.get(leaseId)?.add(key);
    this.#pairs.set(key, kv);
    return { type: 'put', kv };
  }

  #delete(keys: readonly string[]): WatchEvent[] {
    const events: WatchEvent[] = [];
    for (const key of keys) {
      const old = this.#pairs.get(key);
      if (!old) continue;
      this.#leases.get(old.leaseId)?.delete(key);
      this.#pairs.delete(key);
      events.push({ type: 'delete', key, modRevision: this.#revision + 1n });
    }
    return events;
  }

  #commit(events: readonly WatchEvent[]): void {
    if (events.length === 0) return;
    this.#revision += 1n;
    const batch = { revision: this.#revision, events };
    this.#history.push(batch);
    for (const listener of this.#listeners) listener(batch);
  }

  #checkLeases(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.type === 'put' && op.leaseId && !this.#leases.has(op.leaseId)) {
        throw new StoreError('lease-lost', `put ${op.key}: lease ${op.leaseId} does not exist`);
      }
    }
  }
}

type Unconditional = WriteOp | Extract<Op, { type: 'get' }>;

function restrict(events: readonly WatchEvent[], range: KeyRange): WatchBatch | undefined {
  const inRange = events.filter((event) => rangeContains(range, event.type === 'put' ? event.kv.key : event.key));
  const last = inRange.at(-1);
  return last && { revision: last.type === 'put' ? last.kv.modRevision : last.modRevision, events: inRange };
}

function holds(compare: Compare, kv: KeyValue | undefined): boolean {
  if (compare.target === 'value') {
    return kv !== undefined && ordered(compare.op, Buffer.compare(Buffer.from(kv.value), Buffer.from(compare.value)));
  }
  const field = { create: 'createRevision', mod: 'modRevision', lease: 'leaseId' } as const;
  const actual = kv?.[field[compare.target]] ?? 0n;
  return ordered(compare.op, actual < compare.value ? -1 : actual > compare.value ? 1 : 0);
}

function ordered(op: Compare['op'], order: number): boolean {
  if (op === '=') return order === 0;
  if (op === '!=') return order !== 0;
  return op === '<' ? order < 0 : order > 0;
}
