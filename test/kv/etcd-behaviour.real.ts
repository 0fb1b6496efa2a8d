import { kvBehaviour } from '../contract/kv-behaviour.ts';
import { startEtcd } from '../fixtures/etcd.ts';

describe('etcd, which says what is right', () => {
  // Hashing passwords is all that it would wait for.
  kvBehaviour(() => startEtcd({ args: ['--bcrypt-cost', '4'] }));
});
