import { kvBehaviour } from '../contract/kv-behaviour.ts';
import { startKv } from '../fixtures/kv/server.ts';
import { type PostgresProcess, startPostgres } from '../fixtures/postgres.ts';

describe('pgherd kv in memory', () => {
  kvBehaviour(() => startKv({ engine: 'memory' }));
});

describe('pgherd kv on LMDB', () => {
  kvBehaviour(() => startKv({ engine: 'lmdb' }));
});

describe('pgherd kv on PostgreSQL', () => {
  let postgres: PostgresProcess;
  before(async () => {
    postgres = await startPostgres(['fsync=off']);
  });
  after(() => postgres?.stop());
  kvBehaviour(() => startKv({ engine: 'postgres', database: postgres.url }));
});
