import { controllerLeaderKey } from '../../src/schema/election.ts';
import type { Op, Store } from '../../src/store/store.ts';

/**
 * How many transactions a second this store commits when nothing is decided: one fence, one guard, and puts of the given
 * pairs under other keys, 64 in flight, from this process.
 */
export async function bareTransactionsPerSecond(
  store: Store,
  pairs: readonly { readonly key: string; readonly value: string }[],
  count: number,
): Promise<number> {
  const { kv } = await store.get(controllerLeaderKey);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < count; i = next++) {
      const puts = pairs.map(({ key, value }): Op => ({ type: 'put', key: `/bench/${i}${key}`, value }));
      await store.txn({
        if: [
          { key: controllerLeaderKey, target: 'create', op: '=', value: kv?.createRevision ?? 0n },
          { key: `/bench/${i}/document`, target: 'mod', op: '=', value: 0n },
        ],
        then: puts,
      });
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 64 }, worker));
  return count / ((performance.now() - startedMs) / 1000);
}
