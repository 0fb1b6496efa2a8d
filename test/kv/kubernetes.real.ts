import { kubernetesShapes } from '../contract/kubernetes.ts';
import { startKv } from '../fixtures/kv/server.ts';

describe('what Kubernetes sends, on pgherd kv', () => {
  kubernetesShapes(() => startKv({ engine: 'lmdb' }));
});
