import { etcdctlWorks } from '../../contract/etcdctl.ts';
import { startEtcd } from '../../fixtures/etcd.ts';

describe('etcdctl with etcd', () => {
  etcdctlWorks(() => startEtcd());
});
