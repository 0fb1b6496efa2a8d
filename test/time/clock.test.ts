import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { Backoff } from '../../src/time/backoff.ts';
import { systemClock } from '../../src/time/clock.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

describe('Clock', () => {
  for (const [name, create] of [
    ['the machine’s', () => systemClock],
    ['a fake', () => new FakeClock()],
  ] as const) {
    it(`sleep() of ${name} clock ends at once when aborted, with the reason, and listens no more`, async () => {
      const clock = create();
      const controller = new AbortController();
      const reason = new Error('enough');
      const sleeping = clock.sleep(60_000, controller.signal).catch((error: unknown) => error);
      controller.abort(reason);
      expect(await sleeping).to.equal(reason);
      expect(await clock.sleep(60_000, controller.signal).catch((error: unknown) => error)).to.equal(reason);
      expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
    });
  }

  it('sleep() leaves no listener behind when it was not aborted', async () => {
    const { signal } = new AbortController();
    await systemClock.sleep(0, signal);
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  it('after() waits when it is asked to wait for longer than a timer can', async () => {
    let hasFired = false;
    const cancel = systemClock.after(2 ** 40, () => {
      hasFired = true;
    });
    await systemClock.sleep(5);
    cancel();
    expect(hasFired).to.equal(false);
  });

  it('after() of a fake clock fires in the order of time, each when everything before has settled', async () => {
    const clock = new FakeClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push(`b at ${clock.monotonic()}`));
    clock.after(10, () => {
      fired.push(`a at ${clock.monotonic()}`);
      void clock.sleep(5).then(() => fired.push(`then at ${clock.monotonic()}`));
    });
    await clock.advance(30);
    expect(fired).to.deep.equal(['a at 10', 'then at 15', 'b at 20']);
    expect(clock.monotonic()).to.equal(30);
  });
});

describe('Backoff', () => {
  it('doubles up to its cap, with its share of chance, until it is reset', () => {
    const backoff = new Backoff({ baseMs: 800, capMs: 30_000, jitter: 0.5, random: () => 1 });
    expect(Array.from({ length: 8 }, () => backoff.next())).to.deep.equal([
      400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000,
    ]);
    backoff.reset();
    expect(backoff.next()).to.equal(400);
    const steady = new Backoff({ baseMs: 10, capMs: 1e6, random: () => 0 });
    expect([steady.next(), steady.next()]).to.deep.equal([10, 20]);
  });
});
