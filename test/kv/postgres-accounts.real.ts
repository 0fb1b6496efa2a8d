import pg from 'pg';
import { kvSharesAccounts } from '../contract/kv-shared-accounts.ts';
import { startKv } from '../fixtures/kv/server.ts';
import { type PostgresProcess, startPostgres } from '../fixtures/postgres.ts';

describe('two servers of pgherd kv on one PostgreSQL', () => {
  let postgres: PostgresProcess;
  before(async () => {
    postgres = await startPostgres(['fsync=off']);
  });
  after(() => postgres?.remove());

  const start = () => startKv({ engine: 'postgres', database: postgres.url });
  kvSharesAccounts(
    async () => [await start(), await start()],
    async () => {
      const client = new pg.Client({ connectionString: postgres.url });
      await client.connect();
      const name = 'pgherd kv notices';
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [name]);
      await client.end();
    },
  );
});
