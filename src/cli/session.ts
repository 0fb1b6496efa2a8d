import type { KeyRange, KeyValue, Store } from '../store/store.ts';
import { StoreError } from '../store/store-error.ts';
import { connectionOf } from './connection.ts';
import { Failure, inOneLine } from './failure.ts';
import type { GlobalOptions } from './global-options.ts';
import type { World } from './world.ts';

/** Connects to the herd's store, makes sure that it answers, and closes it when `use` is done. */
export async function withStore<T>(
  world: World,
  options: GlobalOptions,
  use: (store: Store, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const connection = connectionOf(options, world.env);
  const store = world.connect(connection);
  try {
    return await world.untilInterrupted(async (signal) => {
      await answering(store, signal);
      return use(store, signal);
    });
  } finally {
    await store.close();
  }
}

/** The first call, so that a wrong address is told apart from everything else that may fail. */
async function answering(store: Store, signal: AbortSignal): Promise<void> {
  try {
    await store.identity({ signal });
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof StoreError) || cause.code !== 'unavailable') throw cause;
    throw new Failure(`${inOneLine(cause)}; check that etcd runs there and that --etcd is right`);
  }
}

/** Every pair of several ranges. They are read side by side, so they may be of slightly different revisions. */
export async function listAll(store: Store, ranges: readonly KeyRange[], signal: AbortSignal): Promise<KeyValue[]> {
  const lists = await Promise.all(ranges.map((range) => store.list(range, { signal })));
  return lists.flatMap(({ kvs }) => kvs);
}
