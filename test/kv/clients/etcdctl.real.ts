import { etcdctlWorks } from '../../contract/etcdctl.ts';
import { startKv } from '../../fixtures/kv/server.ts';

describe('etcdctl with pgherd kv', () => {
  etcdctlWorks(() => startKv({ engine: 'memory' }));
});
