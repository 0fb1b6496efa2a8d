import { kvBehaviour } from '../contract/kv-behaviour.ts';
import { startKv } from '../fixtures/kv/server.ts';

describe('pgherd kv in memory', () => {
  kvBehaviour(() => startKv({ engine: 'memory' }));
});
