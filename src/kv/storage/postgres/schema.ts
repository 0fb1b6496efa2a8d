import type { ClientBase } from 'pg';

/**
 * The tables, beside whatever else the database holds. `state` has one row, and who writes locks it: so transactions
 * take their revisions in the order in which they commit, and no revision is ever missing or seen before an earlier one.
 * A version moves from `newest` to `history` when the next one comes; version 0 there says that the key was deleted.
 */
const tables = `
  CREATE TABLE IF NOT EXISTS pgherd_kv_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL DEFAULT 1,
    compact_revision bigint NOT NULL DEFAULT -1
  ) WITH (fillfactor = 10);
  INSERT INTO pgherd_kv_state DEFAULT VALUES ON CONFLICT DO NOTHING;
  CREATE TABLE IF NOT EXISTS pgherd_kv_newest (
    key bytea PRIMARY KEY,
    create_revision bigint NOT NULL,
    mod_revision bigint NOT NULL,
    version bigint NOT NULL,
    lease bigint NOT NULL,
    value bytea NOT NULL
  );
  CREATE INDEX IF NOT EXISTS pgherd_kv_newest_lease ON pgherd_kv_newest (lease) WHERE lease <> 0;
  CREATE TABLE IF NOT EXISTS pgherd_kv_history (
    key bytea NOT NULL,
    create_revision bigint NOT NULL,
    mod_revision bigint NOT NULL,
    version bigint NOT NULL,
    lease bigint NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (key, mod_revision)
  );
  CREATE TABLE IF NOT EXISTS pgherd_kv_log (
    revision bigint NOT NULL,
    sub int NOT NULL,
    deleted boolean NOT NULL,
    bytes int NOT NULL,
    key bytea NOT NULL,
    PRIMARY KEY (revision, sub)
  );
  CREATE TABLE IF NOT EXISTS pgherd_kv_lease (
    id bigint PRIMARY KEY,
    ttl bigint NOT NULL,
    expires timestamptz NOT NULL
  );
  CREATE INDEX IF NOT EXISTS pgherd_kv_lease_expires ON pgherd_kv_lease (expires);
  CREATE TABLE IF NOT EXISTS pgherd_kv_meta (name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
`;

/** Every table, for what concerns all of them. */
export const tableNames = ['state', 'newest', 'history', 'log', 'lease', 'meta'].map((name) => `pgherd_kv_${name}`);

/** Makes the tables that are missing; servers that start at once do it one after the other. */
export async function createTables(client: ClientBase): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('pgherd_kv'))`);
    await client.query(tables);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
