import type { KeyRange, KeyValue, Lease, WatchEvent, WriteOp } from './store.ts';

/** What the store is known to hold of the keys that somebody publishes, and what is still to be written. */
export class Published {
  /** What each key should hold; undefined: nothing. */
  readonly #wanted: ReadonlyMap<string, string | undefined>;
  readonly #there = new Map<string, KeyValue>();
  readonly #knownAt = new Map<string, bigint>();

  constructor(wanted: ReadonlyMap<string, string | undefined>) {
    this.#wanted = wanted;
  }

  /** A key was read as of this revision. */
  saw(key: string, kv: KeyValue | undefined, revision: bigint): void {
    this.#knownAt.set(key, revision);
    if (kv) this.#there.set(key, kv);
    else this.#there.delete(key);
  }

  /** Our writes were applied at this revision. */
  wrote(ops: readonly WriteOp[], revision: bigint): void {
    for (const op of ops) {
      if (op.type === 'put') {
        const { key, value, leaseId = 0n } = op;
        this.saw(key, { key, value, leaseId, createRevision: revision, modRevision: revision }, revision);
      } else if (op.type === 'delete') this.saw(op.key, undefined, revision);
    }
  }

  /** Takes in what became of a key; returns whether that is not as wanted. What we did, or read the result of, is old. */
  changed(event: WatchEvent, lease: Lease): boolean {
    const { key, modRevision } = event.type === 'put' ? event.kv : event;
    const knownAt = this.#knownAt.get(key);
    if (knownAt === undefined || modRevision <= knownAt) return false;
    this.saw(key, event.type === 'put' ? event.kv : undefined, modRevision);
    return this.#wanted.has(key) && !this.#isRight(key, lease);
  }

  has(key: string): boolean {
    return this.#there.has(key);
  }

  /** What makes the store as it should be. */
  missing(lease: Lease): WriteOp[] {
    return [...this.#wanted]
      .filter(([key]) => !this.#isRight(key, lease))
      .map(([key, value]) =>
        value === undefined ? { type: 'delete', key } : { type: 'put', key, value, leaseId: lease.id },
      );
  }

  #isRight(key: string, lease: Lease): boolean {
    const wanted = this.#wanted.get(key);
    const kv = this.#there.get(key);
    if (wanted === undefined) return kv === undefined && this.#knownAt.has(key);
    return kv?.value === wanted && kv.leaseId === lease.id;
  }
}

/** The smallest range that has all of these keys; undefined when there are none. */
export function spanOf(keys: Iterable<string>): KeyRange | undefined {
  const sorted = [...keys].sort();
  const [first] = sorted;
  const last = sorted.at(-1);
  return first === undefined || last === undefined ? undefined : { start: first, end: `${last}\0` };
}
