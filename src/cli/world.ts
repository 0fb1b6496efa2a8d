import type { Readable } from 'node:stream';
import { EtcdStore, type EtcdStoreOptions } from '../store/etcd.ts';
import type { Store } from '../store/store.ts';
import { type Clock, systemClock } from '../time/clock.ts';

/** Where a command writes, and whether a person reads it. */
export interface Output {
  write(text: string): void;
  readonly isTTY: boolean;
}

/** What is outside of this process, as commands see it; tests bring their own. */
export interface World {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** What runs this program again: Node, its options, the path of the script. */
  readonly self: readonly [string, ...string[]];
  readonly connect: (options: EtcdStoreOptions) => Store;
  /** Runs `use` with a signal that aborts at the first SIGINT or SIGTERM; `again` is called at every later one. */
  readonly untilInterrupted: <T>(use: (signal: AbortSignal) => Promise<T>, again?: () => void) => Promise<T>;
}

/** The reason of signals that were aborted by the operator, not by a fault. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

/** The process we are. */
export function systemWorld(): World {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosed);
  return {
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    stdin: process.stdin,
    env: process.env,
    clock: systemClock,
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    connect: (options) => new EtcdStore(options),
    untilInterrupted,
  };
}

/** `pgherd get … | head` closes our output early: that is no fault. */
function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
}

const output = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  isTTY: stream.isTTY === true,
});

async function untilInterrupted<T>(use: (signal: AbortSignal) => Promise<T>, again?: () => void): Promise<T> {
  const controller = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) again?.();
    controller.abort(new Interrupted(signal));
  };
  // Nobody reads any more what a command that goes on and on would print.
  const onClosed = () => controller.abort(new Interrupted('SIGPIPE'));
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  process.stdout.on('error', onClosed);
  try {
    return await use(controller.signal);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    process.stdout.off('error', onClosed);
  }
}
