import { controllerLeaderKey } from '../../src/schema/election.ts';
import { maxTxnOps, type Op, type Store, type WriteOp } from '../../src/store/store.ts';

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

/** What happened between two revisions, transaction by transaction: what each put. */
export async function transactionsBetween(store: Store, after: bigint, until: bigint): Promise<Puts[]> {
  const byRevision = new Map<bigint, { key: string; value: string }[]>();
  const done = new AbortController();
  for await (const { events, revision } of store.watch(everything, after + 1n, { signal: done.signal })) {
    for (const event of events) {
      const at = event.type === 'put' ? event.kv.modRevision : event.modRevision;
      if (at > until) continue;
      const puts = byRevision.get(at) ?? [];
      byRevision.set(at, puts);
      if (event.type === 'put') puts.push({ key: event.kv.key, value: event.kv.value });
    }
    if (revision >= until) break;
  }
  return [...byRevision.values()].filter((puts) => puts.length > 0);
}

/** The rate at which this store commits the same transactions under other keys, 64 in flight, nothing else going on. */
export async function replayedPerSecond(store: Store, transactions: readonly Puts[]): Promise<number> {
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < transactions.length; i = next++) {
      const puts = (transactions[i] ?? []).map(
        ({ key, value }): WriteOp => ({ type: 'put', key: `/bench/replay${key}`, value }),
      );
      await store.txn({ if: [], then: puts.length <= maxTxnOps ? puts : inParts(puts) });
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 64 }, worker));
  return transactions.length / ((performance.now() - startedMs) / 1000);
}

/** As the controller puts decisions together: within one transaction, each in one of its own. */
function inParts(puts: readonly WriteOp[]): Op[] {
  const size = 64;
  return Array.from({ length: Math.ceil(puts.length / size) }, (_, i) => {
    return { type: 'when', if: [], then: puts.slice(i * size, (i + 1) * size) };
  });
}

type Puts = readonly { readonly key: string; readonly value: string }[];

const everything = { start: '/', end: '0' };
