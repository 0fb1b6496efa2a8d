import { etcdctlWorks } from '../../contract/etcdctl.ts';
import { etcdctlWorksSecured } from '../../contract/etcdctl-secured.ts';
import { startEtcd } from '../../fixtures/etcd.ts';

describe('etcdctl with etcd', () => {
  etcdctlWorks(() => startEtcd());
});

describe('etcdctl with etcd behind TLS and accounts', () => {
  etcdctlWorksSecured((host, tls) => startEtcd({ host, tls }));
});
