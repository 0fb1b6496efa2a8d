/** Looks for a difference to etcd for as long as it is told: `node dist/test/bench/kv-differential.js [runs] [seed] [engine]` */
import { startEtcd } from '../fixtures/etcd.ts';
import { startKv } from '../fixtures/kv/server.ts';
import { compareServers } from '../kv/differential/differential.ts';

const [, , runs = '5000', seed = String(Date.now() % 1_000_000), engine = 'lmdb'] = process.argv;
const etcd = await startEtcd();
const kv = await startKv({ engine: engine as 'lmdb' });
try {
  await compareServers(etcd, kv, { runs: Number(runs), seed: Number(seed) });
  console.log(
    JSON.stringify({ figure: 'kv_runs_equal_to_etcd', unit: '1', runs: Number(runs), seed: Number(seed), engine }),
  );
} finally {
  await kv.stop();
  await etcd.stop();
}
