import { kubernetesShapes } from '../contract/kubernetes.ts';
import { startEtcd } from '../fixtures/etcd.ts';

describe('what Kubernetes sends, on etcd', () => {
  kubernetesShapes(() => startEtcd());
});
