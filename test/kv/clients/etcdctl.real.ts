import { etcdctlWorks } from '../../contract/etcdctl.ts';
import { etcdctlWorksSecured } from '../../contract/etcdctl-secured.ts';
import { startKv } from '../../fixtures/kv/server.ts';

describe('etcdctl with pgherd kv', () => {
  etcdctlWorks(() => startKv({ engine: 'memory' }));
});

describe('etcdctl with pgherd kv behind TLS and accounts', () => {
  etcdctlWorksSecured((host, tls) => startKv({ engine: 'memory', host, tls }));
});
