import type { Pool } from 'pg';
import type { Event } from '../../messages.ts';
import type { HistoryPage, Wanted } from '../engine.ts';
import { type FetchedRow, keyValueOf } from './fetched-view.ts';

const pageRevisions = 1000;
const pageBytes = 1 << 20;
const noBytes = Buffer.alloc(0);

interface LogRow {
  readonly revision: string;
  readonly deleted: boolean;
  readonly bytes: number;
  readonly key: Buffer;
}

type VersionRow = Omit<FetchedRow, 'source'> & { readonly at: string };

/** First what changed, then the versions of what somebody wants of it. */
export async function readHistory(
  pool: Pool,
  from: bigint,
  through: bigint,
  wanted: (key: Buffer) => Wanted,
): Promise<HistoryPage> {
  const end = from + BigInt(pageRevisions) - 1n < through ? from + BigInt(pageRevisions) - 1n : through;
  const { rows } = await pool.query<LogRow>(
    'SELECT revision, deleted, bytes, key FROM pgherd_kv_log WHERE revision BETWEEN $1 AND $2 ORDER BY revision, sub',
    [String(from), String(end)],
  );
  const chosen: (LogRow & { readonly wanted: Wanted })[] = [];
  let bytes = 0;
  let last = end;
  for (const [index, row] of rows.entries()) {
    const wish = wanted(row.key);
    if (wish !== 'nothing') {
      chosen.push({ ...row, wanted: wish });
      bytes += row.bytes * (wish === 'event' ? 1 : 2);
    }
    if (bytes < pageBytes || rows[index + 1]?.revision === row.revision) continue;
    last = BigInt(row.revision);
    break;
  }
  const { current, before, compactRevision } = await readVersions(pool, chosen);
  const events = chosen.flatMap((row, index): Event[] => {
    const revision = BigInt(row.revision);
    // Below the compact revision the version before may be gone or not: say nothing rather than now this, now that.
    const previous = row.wanted === 'event' || revision - 1n < compactRevision ? undefined : before.get(index);
    const prevKv = previous && previous.version !== '0' ? keyValueOf(previous) : undefined;
    if (row.deleted) {
      const kv = { key: row.key, createRevision: 0n, modRevision: revision, version: 0n, value: noBytes, lease: 0n };
      return [{ type: 'DELETE', kv, prevKv }];
    }
    const version = current.get(index);
    if (!version || version.version === '0') return [];
    return [{ type: 'PUT', kv: keyValueOf(version), prevKv: version.version === '1' ? undefined : prevKv }];
  });
  return { events, through: last, compactRevision };
}

async function readVersions(pool: Pool, chosen: readonly (LogRow & { readonly wanted: Wanted })[]) {
  const columns = 'key, create_revision, mod_revision, version, lease, value';
  const text = `
    WITH wanted AS (
      SELECT * FROM unnest($1::int[], $2::bytea[], $3::bigint[], $4::boolean[]) AS w (at, wanted_key, revision, previous)
    )
    SELECT 'state' AS kind, 0 AS at, NULL::bytea AS key, compact_revision AS create_revision, 0 AS mod_revision,
      0 AS version, 0 AS lease, NULL::bytea AS value FROM pgherd_kv_state
    UNION ALL SELECT 'current', at, ${columns} FROM wanted
      JOIN pgherd_kv_newest ON key = wanted_key AND mod_revision = revision
    UNION ALL SELECT 'current', at, ${columns} FROM wanted
      JOIN pgherd_kv_history ON key = wanted_key AND mod_revision = revision
    UNION ALL SELECT 'before', at, older.* FROM wanted CROSS JOIN LATERAL (
      SELECT ${columns} FROM pgherd_kv_history WHERE key = wanted_key AND mod_revision < revision
      ORDER BY mod_revision DESC LIMIT 1
    ) AS older WHERE previous`;
  const { rows } = await pool.query<VersionRow & { readonly kind: 'state' | 'current' | 'before' }>(text, [
    chosen.map((_, index) => index),
    chosen.map(({ key }) => key),
    chosen.map(({ revision }) => revision),
    chosen.map(({ wanted }) => wanted === 'event and previous'),
  ]);
  const of = (kind: string) => new Map(rows.filter((row) => row.kind === kind).map((row) => [Number(row.at), row]));
  const state = of('state').get(0);
  return { current: of('current'), before: of('before'), compactRevision: BigInt(state?.create_revision ?? -1) };
}
