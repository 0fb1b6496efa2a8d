import { curlWorks } from '../../contract/curl.ts';
import { startEtcd } from '../../fixtures/etcd.ts';
import { startKv } from '../../fixtures/kv/server.ts';

describe('curl with etcd', () => {
  curlWorks((host, tls) => startEtcd({ host, tls }));
});

describe('curl with pgherd kv', () => {
  curlWorks((host, tls) => startKv({ engine: 'memory', host, tls }));
});
