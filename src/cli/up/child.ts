import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, renameSync, statSync } from 'node:fs';
import { Backoff } from '../../time/backoff.ts';
import type { Clock } from '../../time/clock.ts';
import { Failure } from '../failure.ts';

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What it prints is appended here. */
  readonly logFile: string;
  /** How long it may take to end by itself. */
  readonly graceMs: number;
  readonly clock: Clock;
  /** It ended although nobody asked it to. */
  readonly onEnd: (how: string, againInMs: number) => void;
}

const longEnoughMs = 60_000;
const largestLogBytes = 10 * 1024 * 1024;

/**
 * One program of the herd as a child of ours: started again with back-off whenever it ends, until `run` is aborted; it
 * dies with us, whatever kills us; and Ctrl-C does not reach it, so that things end in our order.
 */
export class Child {
  readonly name: string;
  readonly #options: ChildOptions;
  #process: ChildProcess | undefined;

  constructor(options: ChildOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, onEnd } = this.#options;
    const backoff = new Backoff({ baseMs: 500, capMs: 30_000 });
    while (!signal.aborted) {
      const startedMs = clock.monotonic();
      const how = await this.#runOnce(signal);
      if (signal.aborted) return;
      if (clock.monotonic() - startedMs > longEnoughMs) backoff.reset();
      const waitMs = backoff.next();
      onEnd(how, waitMs);
      await clock.sleep(waitMs, signal).catch(() => {});
    }
  }

  /** Ends it at once, without a chance to tidy up. */
  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  /** Resolves with how it ended. */
  async #runOnce(signal: AbortSignal): Promise<string> {
    const { command, env, logFile, graceMs, clock } = this.#options;
    turnOver(logFile);
    const log = openSync(logFile, 'a', 0o640);
    // In a session of its own, because a terminal sends Ctrl-C to everybody in its own.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...command], {
      stdio: ['ignore', log, log],
      detached: true,
      env,
    });
    closeSync(log);
    this.#process = child;
    const ended = once(child, 'exit') as Promise<[code: number | null, signal: string | null]>;
    let cancelKill = () => {};
    const stop = () => {
      child.kill('SIGTERM');
      cancelKill = clock.after(graceMs, () => child.kill('SIGKILL'));
    };
    signal.addEventListener('abort', stop);
    try {
      const [code, killedBy] = await ended;
      return killedBy ? `was ended by ${killedBy}` : `ended with exit code ${code}`;
    } catch (cause) {
      throw new Failure(`cannot start ${this.name} with setpriv: install util-linux`, { cause });
    } finally {
      signal.removeEventListener('abort', stop);
      cancelKill();
      this.#process = undefined;
    }
  }
}

/** Keeps one older log: nobody else looks after the logs of a herd that one person runs. */
function turnOver(logFile: string): void {
  try {
    if (statSync(logFile).size > largestLogBytes) renameSync(logFile, `${logFile}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
