/**
 * Fills the disk that the directory in its first argument is on with a store, after so many bytes as the second one says,
 * makes room and goes on. Prints what came of it as JSON.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBackend } from '../../../src/kv/open-backend.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { everything, put } from './requests.ts';

const [disk = '', fillerBytes = ''] = process.argv.slice(2);
const directory = join(disk, 'store');
const filler = join(disk, 'filler');
writeFileSync(filler, Buffer.alloc(Number(fillerBytes)));
const open = () => openBackend({ engine: 'lmdb', clock: systemClock, directory });

const backend = await open();
const stopping = new AbortController();
const running = backend.run(stopping.signal);
const value = 'x'.repeat(20_000);
const refusals = new Set<string>();
let answered = 0;
for (let refused = 0; refused < 20; ) {
  const group = Array.from({ length: 8 }, (_, n) => backend.put(put(`${answered} ${n} ${refused}`, value)));
  for (const outcome of await Promise.allSettled(group)) {
    if (outcome.status === 'fulfilled') answered += 1;
    else {
      refused += 1;
      refusals.add((outcome.reason as Error).message);
    }
  }
}
const count = async (store: typeof backend) => Number((await store.range(everything({ countOnly: true }))).count);
const readBack = await count(backend);
rmSync(filler);
const afterRoom = await backend.put(put('later', value)).then(
  () => 'put',
  (error: Error) => error.message,
);
stopping.abort();
await running;
const again = await open();
const reopened = await count(again);
process.stdout.write(JSON.stringify({ answered, refusals: [...refusals], readBack, afterRoom, reopened }));
process.exit(0);
