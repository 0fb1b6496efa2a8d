import type { StorageEngine } from '../storage/engine.ts';
import { crc32c } from './crc32c.ts';
import { pagesAt } from './pages.ts';
import { refusals } from './refusals.ts';

/** CRC-32C over the keys and values of a revision: equal for equal contents, whatever the engine. */
export async function hashOf(engine: StorageEngine, wanted: bigint) {
  if (wanted > engine.revision) throw refusals.futureRevision();
  if (wanted > 0n && wanted < engine.compactRevision) throw refusals.compacted();
  const revision = wanted > 0n ? wanted : engine.revision;
  const { compactRevision } = engine;
  let hash = 0;
  const numbers = Buffer.alloc(32);
  for await (const page of pagesAt(engine, revision)) {
    for (const kv of page) {
      numbers.writeBigInt64BE(kv.createRevision, 0);
      numbers.writeBigInt64BE(kv.modRevision, 8);
      numbers.writeBigInt64BE(kv.version, 16);
      numbers.writeBigInt64BE(kv.lease, 24);
      hash = crc32c(kv.value, crc32c(numbers, crc32c(kv.key, hash)));
    }
  }
  return { hash, compactRevision, revision };
}
