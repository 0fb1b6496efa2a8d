/** Kills the store in every round and looks for answers that no order explains: `node dist/test/bench/kv-linearizability.js [rounds]` */
import { startKv } from '../fixtures/kv/server.ts';
import { playRound } from '../linearizability/rounds.ts';

const rounds = Number(process.argv[2] ?? 200);
const kv = await startKv({ engine: 'lmdb' });
let calls = 0;
let lost = 0;
try {
  for (let round = 0; round < rounds; round++) {
    const played = await playRound(kv, { callsEach: 100, kills: 2, random: Math.random });
    calls += played.calls;
    lost += played.lost;
  }
  console.log(JSON.stringify({ figure: 'kv_linearizable_rounds', unit: '1', rounds, kills: 2 * rounds, calls, lost }));
} finally {
  await kv.stop();
}
