import { Pool, type PoolClient } from 'pg';
import type { Batch, HistoryPage, LeaseRecord, Needs, StorageEngine, StoredBytes, View, Wanted } from './engine.ts';
import type { EngineOptions } from './engines.ts';
import { type FetchedRow, FetchPlan } from './postgres/fetched-view.ts';
import { readHistory } from './postgres/history.ts';
import { Notices } from './postgres/notices.ts';
import { createTables, tableNames } from './postgres/schema.ts';
import { writeBatch } from './postgres/write-batch.ts';
import { SharedProgress } from './shared-progress.ts';

// An index entry takes a third of a page at most.
const maxKeyBytes = 1967;
const trimRevisions = 1000;
const dueLeases = 500;
const left = 'ceil(extract(epoch FROM expires - clock_timestamp()) * 1000)::float8';

/** A storage engine in a database, which other servers may use at the same time. */
export async function openPostgresEngine({ url, clock }: EngineOptions): Promise<StorageEngine> {
  if (url === undefined) throw new Error('the postgres engine needs the url of a database');
  const pool = new Pool({
    connectionString: url,
    max: 8,
    keepAlive: true,
    connectionTimeoutMillis: 5000,
    application_name: 'pgherd kv',
    // Who dies while it has the state locked must not stop the others for longer.
    idle_in_transaction_session_timeout: 10_000,
    onConnect: async (client) => {
      // What was answered is on disk, whatever the database's default is.
      await client.query(`SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off'`);
    },
  });
  // A connection that ends takes its query with it, which says so; without these it would take the process.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const engine = new PostgresEngine(pool);
  const notices = new Notices({
    url,
    clock,
    look: () => engine.look(),
    onRevision: (revision) => engine.observe(revision),
  });
  try {
    const client = await pool.connect();
    try {
      await createTables(client);
    } finally {
      client.release();
    }
    await engine.look();
    await notices.open();
  } catch (error) {
    await notices.close();
    await pool.end();
    throw error;
  }
  engine.onClose = () => notices.close();
  return engine;
}

/**
 * Decides between reading and writing within one transaction of the database. It begins with a lock on the row that
 * holds the revision, so that all servers write one after the other, in the order of their revisions; what the decision
 * needs is fetched with one statement, and what it decided is written with another.
 */
class PostgresEngine implements StorageEngine {
  readonly maxKeyBytes = maxKeyBytes;
  readonly shared = {
    onAdvance: (listener: (revision: bigint) => void) => this.#progress.onAdvance(listener),
    onMeta: (listener: () => Promise<void>) => {
      this.#onMeta = listener;
    },
    dueLeases: () => this.#dueLeases(),
    extendLeases: () => this.#extendLeases(),
  };
  onClose: () => Promise<void> = async () => {};
  readonly #pool: Pool;
  #onMeta: () => Promise<void> = async () => {};
  /** Of the meta that the listener has seen. */
  #digest: string | undefined;
  readonly #progress = new SharedProgress();
  #size = 0;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  get revision(): bigint {
    return this.#progress.revision;
  }

  get compactRevision(): bigint {
    return this.#progress.compactRevision;
  }

  /** Somebody has written up to a revision. */
  observe(revision: bigint, compactRevision?: bigint): void {
    this.#progress.observe(revision, compactRevision);
  }

  /** Reads how far the store is, how much it takes, and whether somebody has changed meta. */
  async look(): Promise<void> {
    const sizes = tableNames.map((name) => `pg_total_relation_size('${name}')`).join(' + ');
    const digest = `SELECT md5(string_agg(name || md5(value), ',' ORDER BY name)) FROM pgherd_kv_meta`;
    const text = `SELECT revision, compact_revision, ${sizes} AS size, (${digest}) AS digest FROM pgherd_kv_state`;
    const { rows } = await this.#pool.query(text);
    this.#size = Number(rows[0].size);
    this.observe(BigInt(rows[0].revision), BigInt(rows[0].compact_revision));
    if (rows[0].digest === this.#digest) return;
    await this.#onMeta();
    this.#digest = rows[0].digest;
  }

  async read<T>(needs: () => Needs, use: (view: View) => T): Promise<T> {
    const plan = new FetchPlan(needs());
    const { rows } = await this.#pool.query<FetchedRow>(plan.text, plan.values);
    const view = plan.view(rows);
    this.observe(view.revision, view.compactRevision);
    return use(view);
  }

  write(needs: () => Needs, decide: (view: View) => Batch | undefined): Promise<void> {
    return this.#progress.during(() =>
      this.#transaction(async (client) => {
        await client.query('SELECT FROM pgherd_kv_state FOR UPDATE');
        const plan = new FetchPlan(needs());
        const { rows } = await client.query<FetchedRow>(plan.text, plan.values);
        const batch = decide(plan.view(rows));
        if (batch) await writeBatch(client, batch);
        return batch;
      }),
    );
  }

  history(from: bigint, through: bigint, wanted: (key: Buffer) => Wanted): Promise<HistoryPage> {
    return readHistory(this.#pool, from, through, wanted);
  }

  async trim(): Promise<boolean> {
    return this.#transaction(async (client) => {
      const { rows } = await client.query(`SELECT min(revision) AS first, least(min(revision) + ${trimRevisions - 1}, (
        SELECT compact_revision FROM pgherd_kv_state)) AS last FROM pgherd_kv_log`);
      const [{ first, last }] = rows;
      if (first === null || BigInt(last) < BigInt(first)) return false;
      const history = await client.query(
        `DELETE FROM pgherd_kv_history h USING pgherd_kv_log l
         WHERE l.revision BETWEEN $1 AND $2 AND h.key = l.key
           AND (h.mod_revision < l.revision OR (l.deleted AND h.mod_revision = l.revision))`,
        [first, last],
      );
      // A watch may still begin at the compact revision itself; of a deletion then, etcd too says nothing.
      const log = await client.query(
        `DELETE FROM pgherd_kv_log WHERE revision BETWEEN $1 AND $2
           AND (deleted OR revision < (SELECT compact_revision FROM pgherd_kv_state))`,
        [first, last],
      );
      return (history.rowCount ?? 0) + (log.rowCount ?? 0) > 0;
    });
  }

  async leases(): Promise<LeaseRecord[]> {
    const { rows } = await this.#pool.query(`SELECT id, ttl, ${left} AS left_ms FROM pgherd_kv_lease ORDER BY expires`);
    return rows.map(({ id, ttl, left_ms }) => ({ id: BigInt(id), ttl: BigInt(ttl), remainingMs: Number(left_ms) }));
  }

  async meta(name: string): Promise<Buffer | undefined> {
    const { rows } = await this.#pool.query('SELECT value FROM pgherd_kv_meta WHERE name = $1', [name]);
    return rows[0]?.value;
  }

  async listMeta(prefix: string): Promise<{ readonly name: string; readonly value: Buffer }[]> {
    const text = 'SELECT name, value FROM pgherd_kv_meta WHERE starts_with(name, $1) ORDER BY name';
    return (await this.#pool.query(text, [prefix])).rows;
  }

  size(): StoredBytes {
    return { total: this.#size, inUse: this.#size };
  }

  async defragment(): Promise<void> {
    for (const name of tableNames) await this.#pool.query(`VACUUM (ANALYZE) ${name}`);
    await this.look();
  }

  async close(): Promise<void> {
    await this.onClose();
    await this.#pool.end();
  }

  async #dueLeases(): Promise<bigint[]> {
    const text = `SELECT id FROM pgherd_kv_lease WHERE expires <= clock_timestamp() ORDER BY expires LIMIT ${dueLeases}`;
    return (await this.#pool.query(text)).rows.map(({ id }) => BigInt(id));
  }

  async #extendLeases(): Promise<void> {
    await this.#pool.query(
      `UPDATE pgherd_kv_lease SET expires = greatest(expires, clock_timestamp() + least(ttl, 86400) * interval '1 second')`,
    );
  }

  async #transaction<T>(action: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const result = await action(client);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      // Whatever state it is in: closing it takes everything back.
      client.release(true);
      throw error;
    }
  }
}
