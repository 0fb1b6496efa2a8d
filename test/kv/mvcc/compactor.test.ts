import { expect } from 'chai';
import type { Backend } from '../../../src/kv/backend.ts';
import type { AutoCompaction } from '../../../src/kv/mvcc/compactor.ts';
import { openBackend } from '../../../src/kv/open-backend.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';
import { put } from '../support/requests.ts';

describe('automatic compaction', () => {
  const minute = 60_000;
  let stopping: AbortController;
  let running: Promise<void>;
  let clock: FakeClock;

  async function open(autoCompaction: AutoCompaction): Promise<Backend> {
    clock = new FakeClock();
    const backend = await openBackend({ engine: 'memory', clock, autoCompaction });
    stopping = new AbortController();
    running = backend.run(stopping.signal);
    return backend;
  }
  afterEach(async () => {
    stopping.abort();
    await running;
  });

  it('periodic keeps the history of the period', async () => {
    const backend = await open({ mode: 'periodic', retentionMs: 60 * minute });
    for (let n = 0; n < 60; n += 1) {
      await backend.put(put('a', `${n}`));
      await clock.advance(minute);
    }
    expect(backend.status().compactRevision).to.equal(-1n);
    for (let n = 60; n < 90; n += 1) {
      await backend.put(put('a', `${n}`));
      await clock.advance(minute);
    }
    // At minute 90, what was written up to minute 30 may go.
    expect(Number(backend.status().compactRevision)).to.be.within(20, 31);
  });

  it('revision keeps so many revisions', async () => {
    const backend = await open({ mode: 'revision', retention: 100n });
    for (let n = 0; n < 300; n += 1) void backend.put(put('a', `${n}`));
    await clock.advance(5 * minute);
    expect(backend.status().compactRevision).to.equal(201n);
  });

  it('off is off', async () => {
    const backend = await open({ mode: 'off' });
    await backend.put(put('a', '1'));
    await clock.advance(20 * minute);
    expect(backend.status().compactRevision).to.equal(-1n);
  });
});
