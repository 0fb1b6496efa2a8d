import { expect } from 'chai';
import fc from 'fast-check';
import type { Backend } from '../../src/kv/backend.ts';
import { ModelStore } from '../kv/support/model.ts';
import { Recorder } from '../kv/support/recorder.ts';
import { del, eventLine, line, op, put, range, toEnd, txn, watch } from '../kv/support/requests.ts';

type Step =
  | { readonly kind: 'put'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly from: string; readonly to: string }
  | { readonly kind: 'txn'; readonly puts: readonly string[]; readonly deleted: string; readonly value: string }
  | { readonly kind: 'compact'; readonly back: number }
  | { readonly kind: 'wait' };

// Bytes that keys are told apart by: the escape and its surroundings, and what sorts at either end.
const key = fc.string({ unit: fc.constantFrom('\0', '\x01', 'a', 'b', '\xff'), minLength: 1, maxLength: 3 });
const value = fc.string({ maxLength: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), key, value }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), from: key, to: key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('txn' as const),
      puts: fc.uniqueArray(key, { maxLength: 3 }),
      deleted: key,
      value,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact' as const), back: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'wait' as const }) },
);

/** Any sequence of writes and compactions, in groups: every revision reads, and every watch sees, what a model says. */
export async function checkAgainstModel(open: () => Promise<Backend>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), key, key, fc.nat(30), async (steps, from, to, start) => {
      const backend = await open();
      const model = new ModelStore();
      const live = new Recorder(backend, watch('\0', toEnd, { prevKv: true }));
      const compacted = await run(backend, model, steps);
      await compare(backend, model, compacted, from, to);
      await live.until(() => live.events.length >= model.events.length);
      expect(live.lines).to.deep.equal(model.events.map(eventLine));
      await compareHistory(backend, model, compacted, from, to, BigInt(start));
    }),
    { numRuns },
  );
}

async function run(backend: Backend, model: ModelStore, steps: readonly Step[]): Promise<bigint> {
  let pending: Promise<void>[] = [];
  let compacted = -1n;
  const settle = async () => {
    await Promise.all(pending);
    pending = [];
  };
  const expectRevision = (answer: Promise<{ readonly revision: bigint }>, revision: bigint) => {
    pending.push(
      answer.then((given) => {
        expect(given.revision).to.equal(revision);
      }),
    );
  };
  for (const step of steps) {
    if (step.kind === 'wait') await settle();
    else if (step.kind === 'put')
      expectRevision(backend.put(put(step.key, step.value)), model.write([[step.key, step.value]]));
    else if (step.kind === 'delete') {
      const revision = model.write(
        model.keys(step.from, step.to === toEnd ? undefined : step.to).map((key) => [key, undefined]),
      );
      expectRevision(backend.deleteRange(del(step.from, step.to)), revision);
    } else if (step.kind === 'txn') {
      const puts = step.puts.filter((key) => key !== step.deleted);
      const ops = [op.del(del(step.deleted)), ...puts.map((key) => op.put(put(key, step.value)))];
      const revision = model.write([[step.deleted, undefined], ...puts.map((key) => [key, step.value] as const)]);
      expectRevision(backend.txn(txn([], ops)), revision);
    } else {
      await settle();
      const revision = model.revision - BigInt(step.back);
      if (revision <= compacted || revision < 1n) continue;
      compacted = revision;
      await backend.compact({ revision, physical: step.back % 2 === 0 });
    }
  }
  await settle();
  return compacted;
}

async function compare(backend: Backend, model: ModelStore, compacted: bigint, from: string, to: string) {
  for (let revision = compacted > 1n ? compacted : 1n; revision <= model.revision; revision += 1n) {
    for (const end of [to, toEnd]) {
      const expected = model.range(from, end === toEnd ? undefined : end, revision).map(line);
      const answer = await backend.range(range(from, end, { revision }));
      expect(answer.kvs.map(line), `revision ${revision}`).to.deep.equal(expected);
      const first = await backend.range(range(from, end, { revision, limit: 1n }));
      expect([first.kvs.map(line), first.more, Number(first.count)]).to.deep.equal([
        expected.slice(0, 1),
        expected.length > 1,
        expected.length,
      ]);
    }
    const [one] = (await backend.range(range(from, '', { revision }))).kvs;
    const [expectedOne] = model.range(from, `${from}\0`, revision);
    expect(one && line(one)).to.equal(expectedOne && line(expectedOne));
  }
}

async function compareHistory(
  backend: Backend,
  model: ModelStore,
  compacted: bigint,
  from: string,
  to: string,
  wanted: bigint,
): Promise<void> {
  // From the compact revision itself, etcd tells no deletions.
  const startRevision = wanted > compacted ? wanted : compacted + 1n;
  if (startRevision < 1n || from >= to) return;
  const expected = model.events
    .filter(({ kv }) => kv.modRevision >= startRevision && inSpan(kv.key.toString('latin1'), from, to))
    // What was there before is told from the compact revision on.
    .map((event) => (event.kv.modRevision - 1n < compacted ? { ...event, prevKv: undefined } : event))
    .map(eventLine);
  const recorder = new Recorder(backend, watch(from, to, { startRevision, prevKv: true }));
  await recorder.until(() => recorder.events.length >= expected.length);
  expect(recorder.lines).to.deep.equal(expected);
}

function inSpan(key: string, from: string, to: string): boolean {
  return key >= from && key < to;
}
