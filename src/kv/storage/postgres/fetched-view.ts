import type { KeyValue } from '../../messages.ts';
import type { LeaseRecord, Needs, ScanOptions, Span, View } from '../engine.ts';

/** A row of the statement that `FetchPlan` makes. What the columns hold depends on where it comes from. */
export interface FetchedRow {
  readonly source: number;
  readonly key: Buffer | null;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly lease: string;
  readonly value: Buffer | null;
}

const state = -1;
const leases = -2;
const keys = -3;
const keysOfLeases = -4;
const metas = -5;
const noBytes = Buffer.alloc(0);
const columns = 'key, create_revision, mod_revision, version, lease, value';

interface Scan {
  readonly span: Span;
  readonly revision: bigint | undefined;
  limit: number | undefined;
  keysOnly: boolean;
  rows: boolean;
}

/** All that a decision needs, asked for in one statement: so that it is of one moment. */
export class FetchPlan {
  readonly text: string;
  readonly values: unknown[] = [];
  readonly #needs: Needs;
  readonly #scans = new Map<string, Scan>();

  constructor(needs: Needs) {
    this.#needs = needs;
    for (const { span, options, rows } of needs.scans) this.#addScan(span, options, rows);
    const parts = [`SELECT ${state}, NULL::bytea, revision, compact_revision, 0, 0, NULL::bytea FROM pgherd_kv_state`];
    if (needs.leases.length) {
      const ids = this.#parameter(needs.leases.map(String), 'bigint[]');
      const left = 'ceil(extract(epoch FROM expires - clock_timestamp()) * 1000)::bigint';
      parts.push(`SELECT ${leases}, NULL, id, ttl, ${left}, 0, NULL FROM pgherd_kv_lease WHERE id = ANY(${ids})`);
    }
    if (needs.keys.length) {
      const wanted = this.#parameter(needs.keys, 'bytea[]');
      parts.push(`SELECT ${keys}, ${columns} FROM pgherd_kv_newest WHERE key = ANY(${wanted})`);
    }
    if (needs.keysOf.length) {
      const ids = this.#parameter(needs.keysOf.map(String), 'bigint[]');
      const where = `lease <> 0 AND lease = ANY(${ids})`;
      parts.push(`SELECT ${keysOfLeases}, ${columns} FROM pgherd_kv_newest WHERE ${where}`);
    }
    if (needs.meta.length) {
      const names = this.#parameter(needs.meta, 'text[]');
      const shown = "convert_to(name, 'UTF8'), 0, 0, 0, 0, value";
      parts.push(`SELECT ${metas}, ${shown} FROM pgherd_kv_meta WHERE name = ANY(${names})`);
    }
    let source = 0;
    for (const scan of this.#scans.values()) {
      if (scan.rows) parts.push(this.#rowsOf(scan, source));
      if (!scan.rows || scan.limit !== undefined) parts.push(this.#countOf(scan, source + 1));
      source += 2;
    }
    const names = 'source, key, create_revision, mod_revision, version, lease, value';
    this.text = `SELECT * FROM (${parts.map((part) => `(${part})`).join(' UNION ALL ')}) AS fetched (${names})`;
  }

  view(rows: readonly FetchedRow[]): View {
    const found = grouped(rows, ({ source }) => source);
    const [current] = found.get(state) ?? [];
    if (!current) throw new Error('the table pgherd_kv_state has lost its row');
    const byKey = new Map<string, KeyValue | undefined>();
    for (const key of this.#needs.keys) byKey.set(key.toString('latin1'), undefined);
    for (const row of [...(found.get(keys) ?? []), ...(found.get(keysOfLeases) ?? [])]) {
      const kv = keyValueOf(row);
      byKey.set(kv.key.toString('latin1'), kv);
    }
    const scans = new Map<string, { readonly kvs: readonly KeyValue[]; readonly count: number }>();
    let source = 0;
    for (const [name, { limit, rows: wantsRows }] of this.#scans) {
      const kvs = (found.get(source) ?? []).map(keyValueOf).sort((a, b) => Buffer.compare(a.key, b.key));
      const isCounted = !wantsRows || limit !== undefined;
      scans.set(name, { kvs, count: isCounted ? Number(found.get(source + 1)?.[0]?.version ?? 0) : kvs.length });
      source += 2;
    }
    const keysOf = grouped((found.get(keysOfLeases) ?? []).map(keyValueOf), ({ lease }) => lease);
    const records = (found.get(leases) ?? []).map((row) => {
      const id = BigInt(row.create_revision);
      return [id, { id, ttl: BigInt(row.mod_revision), remainingMs: Number(row.version) }] as const;
    });
    const meta = new Map((found.get(metas) ?? []).map(({ key, value }) => [String(key), value ?? noBytes]));
    return new FetchedView(current, byKey, scans, new Map(records), keysOf, meta);
  }

  #addScan(span: Span, { revision, limit, keysOnly = false }: ScanOptions, rows: boolean): void {
    const name = nameOf(span, revision);
    const same = this.#scans.get(name);
    if (!same) this.#scans.set(name, { span, revision, limit, keysOnly, rows });
    else {
      same.keysOnly &&= keysOnly;
      same.rows ||= rows;
      same.limit = same.limit === undefined || limit === undefined ? undefined : Math.max(same.limit, limit);
    }
  }

  #rowsOf({ span, revision, limit, keysOnly }: Scan, source: number): string {
    const shown = columns.replace('value', keysOnly ? `''::bytea` : 'value');
    const from = this.#versions(span, revision, shown);
    return `SELECT ${source}, found.* FROM (${from}) AS found ORDER BY key${limit === undefined ? '' : ` LIMIT ${limit}`}`;
  }

  #countOf({ span, revision }: Scan, source: number): string {
    return `SELECT ${source}, NULL, 0, 0, count(*), 0, NULL FROM (${this.#versions(span, revision, 'key')}) AS found`;
  }

  #versions({ from, to }: Span, revision: bigint | undefined, shown: string): string {
    const low = this.#parameter(from, 'bytea');
    const between = to ? `key >= ${low} AND key < ${this.#parameter(to, 'bytea')}` : `key >= ${low}`;
    if (revision === undefined) return `SELECT ${shown} FROM pgherd_kv_newest WHERE ${between}`;
    const at = this.#parameter(String(revision), 'bigint');
    const older = `SELECT DISTINCT ON (key) ${columns} FROM pgherd_kv_history h
      WHERE ${between} AND mod_revision <= ${at} AND NOT EXISTS (
        SELECT FROM pgherd_kv_newest n WHERE n.key = h.key AND n.mod_revision <= ${at}
      ) ORDER BY key, mod_revision DESC`;
    return `SELECT ${shown} FROM pgherd_kv_newest WHERE ${between} AND mod_revision <= ${at}
      UNION ALL SELECT ${shown} FROM (${older}) AS older WHERE version <> 0`;
  }

  #parameter(value: unknown, type: string): string {
    return `$${this.values.push(value)}::${type}`;
  }
}

/** A key with its version out of a row. */
export function keyValueOf(row: Omit<FetchedRow, 'source'>): KeyValue {
  return {
    key: row.key ?? noBytes,
    createRevision: BigInt(row.create_revision),
    modRevision: BigInt(row.mod_revision),
    version: BigInt(row.version),
    lease: BigInt(row.lease),
    value: row.value ?? noBytes,
  };
}

function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

function nameOf({ from, to }: Span, revision: bigint | undefined): string {
  return `${revision ?? ''} ${from.length} ${from.toString('latin1')} ${to ? `to ${to.toString('latin1')}` : 'all'}`;
}

/** What was fetched, and nothing else. */
class FetchedView implements View {
  readonly revision: bigint;
  readonly compactRevision: bigint;
  readonly #byKey: ReadonlyMap<string, KeyValue | undefined>;
  readonly #scans: ReadonlyMap<string, { readonly kvs: readonly KeyValue[]; readonly count: number }>;
  readonly #leases: ReadonlyMap<bigint, LeaseRecord>;
  readonly #keysOf: ReadonlyMap<bigint, readonly KeyValue[]>;
  readonly #meta: ReadonlyMap<string, Buffer>;

  constructor(
    current: FetchedRow,
    byKey: ReadonlyMap<string, KeyValue | undefined>,
    scans: ReadonlyMap<string, { readonly kvs: readonly KeyValue[]; readonly count: number }>,
    leases: ReadonlyMap<bigint, LeaseRecord>,
    keysOf: ReadonlyMap<bigint, readonly KeyValue[]>,
    meta: ReadonlyMap<string, Buffer>,
  ) {
    this.revision = BigInt(current.create_revision);
    this.compactRevision = BigInt(current.mod_revision);
    this.#byKey = byKey;
    this.#scans = scans;
    this.#leases = leases;
    this.#keysOf = keysOf;
    this.#meta = meta;
  }

  get(key: Buffer): KeyValue | undefined {
    const text = key.toString('latin1');
    if (!this.#byKey.has(text)) throw new Error(`a decision looks at the key ${text}, which it did not name`);
    return this.#byKey.get(text);
  }

  scan(span: Span, { revision, limit = Number.POSITIVE_INFINITY }: ScanOptions = {}): readonly KeyValue[] {
    const { kvs } = this.#scan(span, revision);
    return kvs.length > limit ? kvs.slice(0, limit) : kvs.slice();
  }

  count(span: Span, revision?: bigint): number {
    return this.#scan(span, revision).count;
  }

  lease(id: bigint): LeaseRecord | undefined {
    return this.#leases.get(id);
  }

  meta(name: string): Buffer | undefined {
    return this.#meta.get(name);
  }

  keysOf(lease: bigint): readonly Buffer[] {
    return (this.#keysOf.get(lease) ?? []).map(({ key }) => key).sort(Buffer.compare);
  }

  #scan(span: Span, revision: bigint | undefined) {
    const scan = this.#scans.get(nameOf(span, revision));
    if (!scan) throw new Error(`a decision looks at a range that it did not name: ${nameOf(span, revision)}`);
    return scan;
  }
}
