import { EtcdStore } from '../../src/store/etcd.ts';
import { storeContract } from '../contract/store.ts';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import { type KvProcess, startKv } from '../fixtures/kv/server.ts';

describe('EtcdStore on pgherd kv', () => {
  let kv: KvProcess;
  const stores: EtcdStore[] = [];
  const open = () => {
    const store = new EtcdStore({ endpoints: [kv.endpoint], root: '/a/root' });
    stores.push(store);
    return store;
  };
  before(async () => {
    kv = await startKv({ engine: 'lmdb' });
  });
  after(async () => {
    for (const store of stores) await store.close();
    await kv?.stop();
  });

  storeContract(async () => ({
    store: open(),
    other: open(),
    compact: async (revision) => {
      const client = new GrpcClient(kv.endpoint);
      await client.call('KV/Compact', { revision: String(revision) });
      client.close();
    },
    pass: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
  }));
});
