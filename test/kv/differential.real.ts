import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { type KvProcess, startKv } from '../fixtures/kv/server.ts';
import { compareServers } from './differential/differential.ts';

describe('pgherd kv beside etcd', () => {
  let etcd: EtcdProcess;
  const started: KvProcess[] = [];
  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => {
    for (const kv of started) await kv.stop();
    await etcd?.stop();
  });

  // `node dist/test/bench/kv-differential.js` goes on where these few end.
  for (const engine of ['memory', 'lmdb'] as const) {
    it(`gives the same answers and the same watch streams, on ${engine}`, async () => {
      const kv = await startKv({ engine });
      started.push(kv);
      await compareServers(etcd, kv, { runs: 100, seed: 2379 });
    }).timeout(120_000);
  }
});
