import type { ClientBase } from 'pg';
import type { KeyValue } from '../../messages.ts';
import type { Batch } from '../engine.ts';

/** The channel on which servers tell each other that there is something new. */
export const channel = 'pgherd_kv';
/** What is told there of a change beside the key space, which has no revision. */
export const metaNotice = 'meta';

const noBytes = Buffer.alloc(0);

/** Writes all of a batch with one statement, within the transaction that has locked the state. */
export async function writeBatch(client: ClientBase, batch: Batch): Promise<void> {
  const statement = new Statement();
  const { newest, deleted, history, log } = rowsOf(batch);
  if (newest.length) {
    const rows = statement.rows(versionColumns(newest));
    statement.add(`INSERT INTO pgherd_kv_newest (${versionNames}) SELECT * FROM ${rows}
      ON CONFLICT (key) DO UPDATE SET create_revision = excluded.create_revision, mod_revision = excluded.mod_revision,
        version = excluded.version, lease = excluded.lease, value = excluded.value`);
  }
  if (deleted.length) {
    statement.add(`DELETE FROM pgherd_kv_newest WHERE key = ANY(${statement.parameter(deleted, 'bytea[]')})`);
  }
  if (history.length) {
    const rows = statement.rows(versionColumns(history));
    statement.add(`INSERT INTO pgherd_kv_history (${versionNames}) SELECT * FROM ${rows}
      ON CONFLICT (key, mod_revision) DO UPDATE SET create_revision = excluded.create_revision,
        version = excluded.version, lease = excluded.lease, value = excluded.value`);
  }
  if (log.length) {
    const rows = statement.rows([
      [log.map(({ revision }) => String(revision)), 'bigint[]'],
      [log.map(({ sub }) => sub), 'int[]'],
      [log.map((row) => row.deleted), 'boolean[]'],
      [log.map(({ bytes }) => bytes), 'int[]'],
      [log.map(({ key }) => key), 'bytea[]'],
    ]);
    statement.add(`INSERT INTO pgherd_kv_log (revision, sub, deleted, bytes, key) SELECT * FROM ${rows}`);
  }
  addLeases(statement, batch);
  addMeta(statement, batch);
  const revision = statement.parameter(String(batch.revision), 'bigint');
  const compactRevision = statement.parameter(String(batch.compactRevision), 'bigint');
  const notices = [
    ...(batch.events.length ? [`${revision}::text`] : []),
    ...(batch.meta.size ? [`'${metaNotice}'`] : []),
  ];
  const told = notices.map((notice) => `, pg_notify('${channel}', ${notice})`).join('');
  const text = `UPDATE pgherd_kv_state SET revision = ${revision}, compact_revision = ${compactRevision}
    RETURNING revision${told}`;
  await client.query(`${statement.prefix}${text}`, statement.values);
}

function addLeases(statement: Statement, { leases }: Batch): void {
  const kept = [...leases.values()].filter((lease) => lease !== undefined);
  const ended = [...leases].filter(([, lease]) => lease === undefined).map(([id]) => String(id));
  if (kept.length) {
    const rows = statement.rows([
      [kept.map(({ id }) => String(id)), 'bigint[]'],
      [kept.map(({ ttl }) => String(ttl)), 'bigint[]'],
      [kept.map(({ remainingMs }) => remainingMs), 'float8[]'],
    ]);
    statement.add(`INSERT INTO pgherd_kv_lease (id, ttl, expires)
      SELECT id, ttl, clock_timestamp() + leftMs * interval '1 millisecond' FROM ${rows} AS kept (id, ttl, leftMs)
      ON CONFLICT (id) DO UPDATE SET ttl = excluded.ttl, expires = excluded.expires`);
  }
  if (ended.length) {
    statement.add(`DELETE FROM pgherd_kv_lease WHERE id = ANY(${statement.parameter(ended, 'bigint[]')})`);
  }
}

function addMeta(statement: Statement, { meta }: Batch): void {
  const kept = [...meta].filter(([, value]) => value !== undefined);
  const removed = [...meta].filter(([, value]) => value === undefined).map(([name]) => name);
  if (kept.length) {
    const rows = statement.rows([
      [kept.map(([name]) => name), 'text[]'],
      [kept.map(([, value]) => value), 'bytea[]'],
    ]);
    statement.add(`INSERT INTO pgherd_kv_meta (name, value) SELECT * FROM ${rows}
      ON CONFLICT (name) DO UPDATE SET value = excluded.value`);
  }
  if (removed.length) {
    statement.add(`DELETE FROM pgherd_kv_meta WHERE name = ANY(${statement.parameter(removed, 'text[]')})`);
  }
}

const versionNames = 'key, create_revision, mod_revision, version, lease, value';

function versionColumns(kvs: readonly KeyValue[]): [unknown[], string][] {
  return [
    [kvs.map(({ key }) => key), 'bytea[]'],
    [kvs.map(({ createRevision }) => String(createRevision)), 'bigint[]'],
    [kvs.map(({ modRevision }) => String(modRevision)), 'bigint[]'],
    [kvs.map(({ version }) => String(version)), 'bigint[]'],
    [kvs.map(({ lease }) => String(lease)), 'bigint[]'],
    [kvs.map(({ value }) => value), 'bytea[]'],
  ];
}

interface LogRow {
  readonly revision: bigint;
  readonly sub: number;
  readonly deleted: boolean;
  readonly bytes: number;
  readonly key: Buffer;
}

/** The rows that a batch leaves, each once: a key may change many times in it. */
function rowsOf({ events, withoutHistory = false }: Batch) {
  const newest = new Map<string, KeyValue>();
  const deleted = new Map<string, Buffer>();
  const history = new Map<string, KeyValue>();
  const log: LogRow[] = [];
  let sub = 0;
  for (const { type, kv, prevKv } of events) {
    const text = kv.key.toString('latin1');
    const isDeleted = type === 'DELETE';
    if (isDeleted) {
      newest.delete(text);
      deleted.set(text, kv.key);
    } else {
      newest.set(text, kv);
      deleted.delete(text);
    }
    if (withoutHistory) continue;
    if (prevKv) history.set(`${prevKv.modRevision} ${text}`, prevKv);
    if (isDeleted) history.set(`${kv.modRevision} ${text}`, { ...kv, value: noBytes });
    sub = log.at(-1)?.revision === kv.modRevision ? sub + 1 : 0;
    log.push({ revision: kv.modRevision, sub, deleted: isDeleted, bytes: kv.value.length + 32, key: kv.key });
  }
  return { newest: [...newest.values()], deleted: [...deleted.values()], history: [...history.values()], log };
}

/** Several changes as one statement. */
class Statement {
  readonly values: unknown[] = [];
  readonly #changes: string[] = [];

  get prefix(): string {
    return this.#changes.length ? `WITH ${this.#changes.join(', ')} ` : '';
  }

  add(change: string): void {
    this.#changes.push(`change${this.#changes.length} AS (${change})`);
  }

  parameter(value: unknown, type: string): string {
    return `$${this.values.push(value)}::${type}`;
  }

  /** Columns as a set of rows. */
  rows(columns: readonly (readonly [readonly unknown[], string])[]): string {
    return `unnest(${columns.map(([values, type]) => this.parameter(values, type)).join(', ')})`;
  }
}
