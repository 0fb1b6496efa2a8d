import { pythonWorks } from '../../contract/python.ts';
import { startEtcd } from '../../fixtures/etcd.ts';
import { startKv } from '../../fixtures/kv/server.ts';

describe('Python’s clients with etcd', () => {
  pythonWorks('/v3beta/', () => startEtcd());
});

describe('Python’s clients with pgherd kv', () => {
  // What the client asks unless it is told otherwise.
  pythonWorks('/v3alpha/', () => startKv({ engine: 'memory' }));
});
