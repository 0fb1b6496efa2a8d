import { execFile } from 'node:child_process';
import { aborted } from '../engine/aborted.ts';
import type { Logger } from '../engine/logger.ts';
import type { Clock } from '../time/clock.ts';
import type { World } from './world.ts';

type Environment = World['env'];

/**
 * Tells systemd how this daemon is, when it runs under systemd. Node has no datagram sockets of the file system, so
 * systemd's own `systemd-notify` says it; units need `NotifyAccess=all`. The watchdog is fed by a timer of the event
 * loop: a loop that hangs feeds nothing, and systemd starts the daemon again.
 */
export class ServiceManager {
  readonly #env: Environment;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isReady = () => {};
  readonly #whenReady = new Promise<void>((resolve) => {
    this.#isReady = resolve;
  });

  constructor(env: Environment, clock: Clock, logger: Logger) {
    this.#env = env;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The daemon is up: it answers, whatever it still waits for. */
  ready(): void {
    this.#isReady();
  }

  /** Says when the daemon is up, and again and again that it lives; at the abort that it stops. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#env['NOTIFY_SOCKET'] === undefined) return;
    await Promise.race([this.#whenReady, aborted(signal)]);
    if (!signal.aborted) await this.#say('READY=1');
    const everyMs = Number(this.#env['WATCHDOG_USEC'] ?? 0) / 1000 / 3;
    while (!signal.aborted) {
      if (everyMs > 0) await this.#say('WATCHDOG=1');
      await this.#clock.sleep(everyMs > 0 ? everyMs : idleMs, signal).catch(() => {});
    }
    await this.#say('STOPPING=1');
  }

  #say(state: string): Promise<void> {
    const { PATH, NOTIFY_SOCKET } = this.#env;
    const env = { PATH: PATH ?? '/usr/bin:/bin', NOTIFY_SOCKET };
    return new Promise((resolve) => {
      execFile('systemd-notify', [state], { env, timeout: patienceMs }, (error) => {
        if (error) this.#logger.warn({ err: error, state }, 'systemd was not told');
        resolve();
      });
    });
  }
}

const patienceMs = 10_000;
const idleMs = 3_600_000;
