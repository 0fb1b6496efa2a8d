/**
 * A kv store in a process of its own, to be killed: puts one key after the other and prints the revision of each when
 * it was answered. Arguments: engine, then directory or url, then to how many characters values are filled up.
 */

import { openBackend } from '../../../src/kv/open-backend.ts';
import { type EngineName, engines } from '../../../src/kv/storage/engines.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { put } from './requests.ts';

const [engine = '', place = '', characters = '0'] = process.argv.slice(2);
if (!(engine in engines)) throw new Error(`no engine ${engine}`);
const where = engine === 'postgres' ? { url: place } : { directory: place };
const backend = await openBackend({ engine: engine as EngineName, ...where, clock: systemClock });
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (let n = 0; ; n += 1) {
      const { revision } = await backend.put(put(`w${writer}`, `${n}`.padEnd(Number(characters))));
      process.stdout.write(`${writer} ${n} ${revision}\n`);
    }
  }),
);
