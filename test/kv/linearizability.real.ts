import { type KvProcess, startKv } from '../fixtures/kv/server.ts';
import { playRound } from '../linearizability/rounds.ts';

describe('pgherd kv that is killed again and again', () => {
  let kv: KvProcess;
  before(async () => {
    kv = await startKv({ engine: 'lmdb' });
  });
  after(() => kv?.stop());

  // `node dist/test/bench/kv-linearizability.js` plays two hundred.
  for (const round of ['first', 'second']) {
    it(`loses no answered write and answers in an order that explains itself, ${round} round`, async () => {
      await playRound(kv, { callsEach: 60, kills: 1, random: Math.random });
    });
  }
});
