import type { KeyRange, KeyValue, Store } from '../store/store.ts';
import { printDuration } from './duration.ts';
import { exitCodes, Failure } from './failure.ts';
import { follow } from './follow.ts';
import type { GlobalOptions } from './global-options.ts';
import { commandLogger } from './logging.ts';
import type { World } from './world.ts';

/** What a look at the store gives: that the wait is over, or what it waits for, as a sentence. */
export type Look = { readonly done: true } | { readonly done: false; readonly waitsFor: string };

interface WaitOptions {
  readonly world: World;
  readonly options: GlobalOptions;
  readonly signal: AbortSignal;
  /** `f1 to be Ready`: for messages. */
  readonly what: string;
  readonly timeoutMs: number;
}

// Below this, progress would only flicker by.
const silentMs = 2000;

/**
 * Looks at the ranges after every change until it is done; tells on stderr what it waits for whenever that changes.
 * A timeout is a failure with an exit code of its own.
 */
export async function waitFor(
  store: Store,
  ranges: readonly KeyRange[],
  look: (keys: readonly KeyValue[]) => Look,
  { world, options, signal, what, timeoutMs }: WaitOptions,
): Promise<void> {
  const { clock, stderr } = world;
  const timeout = new AbortController();
  let waitsFor = '';
  let told = '';
  const tell = () => {
    if (waitsFor !== told) stderr.write(`waiting for ${what}: ${waitsFor}\n`);
    told = waitsFor;
  };
  const startedMs = clock.monotonic();
  const cancelTimeout = clock.after(timeoutMs, () => timeout.abort(new Error('timeout')));
  const cancelSilence = clock.after(silentMs, tell);
  const logger = commandLogger(world, options);
  try {
    const either = AbortSignal.any([signal, timeout.signal]);
    for await (const keys of follow(store, ranges, { signal: either, clock, logger })) {
      const seen = look(keys);
      if (seen.done) return;
      waitsFor = seen.waitsFor;
      if (clock.monotonic() - startedMs >= silentMs) tell();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!timeout.signal.aborted) throw error;
    const why = waitsFor || 'no answer from etcd';
    const message = `timeout after ${printDuration(timeoutMs)} waiting for ${what}: ${why}`;
    throw new Failure(message, { exitCode: exitCodes.timeout });
  } finally {
    cancelTimeout();
    cancelSilence();
  }
}
