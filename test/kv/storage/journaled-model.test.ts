import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import { JournaledStore } from '../../../src/kv/storage/journaled-store.ts';
import { MemoryStore } from '../../../src/kv/storage/memory.ts';
import type { SortedStore } from '../../../src/kv/storage/sorted-store.ts';
import { systemClock } from '../../../src/time/clock.ts';

const key = fc.constantFrom('a', 'b', 'ba', 'bb', 'c', 'd', 'e', 'f').map((name) => Buffer.from(name));
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('commit' as const),
      writes: fc.array(
        fc.record({
          key,
          value: fc.option(
            fc.nat(900).map((n) => Buffer.alloc(n, n)),
            { nil: undefined },
          ),
        }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

describe('JournaledStore, whatever happens', () => {
  it('reads as a store without a journal does: forward, backward, limited, counted', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), key, key, fc.nat(5), async (steps, from, to, limit) => {
        const directory = mkdtempSync(join(tmpdir(), 'pgherd-journal-'));
        const base = new MemoryStore();
        const model = new MemoryStore();
        let store = new JournaledStore(base, directory, systemClock, 4096);
        try {
          for (const taken of steps) {
            if (taken.kind === 'settle') await store.settle();
            else if (taken.kind === 'reopen') {
              await store.close();
              store = new JournaledStore(base, directory, systemClock, 4096);
            } else {
              await store.commit(taken.writes);
              store.refresh();
              model.commit(taken.writes);
            }
            expect(seen(store, from, to, limit)).to.deep.equal(seen(model, from, to, limit));
          }
        } finally {
          await store.close();
          rmSync(directory, { recursive: true });
        }
      }),
      { numRuns: 60 },
    ));
});

function seen(store: SortedStore, from: Buffer, to: Buffer, limit: number): unknown {
  const entries = (options: { limit?: number; reverse?: boolean }) =>
    Array.from(store.range(from, to, options), ({ key, value }) => [key.toString(), value.toString('latin1')]);
  return {
    one: store.get(from)?.toString('latin1'),
    forward: entries({}),
    limited: entries({ limit }),
    backward: entries({ reverse: true }),
    last: entries({ limit, reverse: true }),
    keys: Array.from(store.keys(from, to), String),
    count: store.count(from, to),
  };
}
