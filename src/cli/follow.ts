import { setMaxListeners } from 'node:events';
import { Informer } from '../engine/informer.ts';
import type { Logger } from '../engine/logger.ts';
import { EngineMetrics, Registry } from '../engine/metrics.ts';
import type { KeyRange, KeyValue, Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';

// One act of the controller or of Patroni often changes several keys: people are shown the outcome.
const settleMs = 100;

interface FollowOptions {
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Every pair of the ranges, and again after every change to them, until the signal aborts. */
export async function* follow(
  store: Store,
  ranges: readonly KeyRange[],
  { signal, clock, logger }: FollowOptions,
): AsyncGenerator<readonly KeyValue[], void, void> {
  const metrics = new EngineMetrics(new Registry()).informers;
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  // Each informer listens several times: that is no leak.
  setMaxListeners(0, stopped);
  const informers = ranges.map(
    (range) => new Informer({ name: range.start, store, range, parse: ({ value }) => value, clock, logger, metrics }),
  );
  let changed = true;
  let ended = false;
  let wake = () => {};
  for (const informer of informers) {
    informer.onBatch(() => {
      changed = true;
      wake();
    });
  }
  const running = Promise.all(informers.map((informer) => informer.run(stopped)));
  const onEnd = () => {
    ended = true;
    wake();
  };
  running.then(onEnd, onEnd);
  try {
    await Promise.race([running, Promise.all(informers.map((informer) => informer.whenSynced(stopped)))]);
    for (;;) {
      if (!changed && !ended) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (ended) break;
      await clock.sleep(settleMs, signal);
      changed = false;
      yield informers.flatMap((informer) => [...informer.entries()]);
    }
    await running;
    signal.throwIfAborted();
  } finally {
    stop.abort();
    await running.catch(() => {});
  }
}
