import type { Daemon } from '../fixtures/process.ts';

// What the units of deploy/systemd say.
const restartAfterMs = 2_000;

/** Runs a daemon as a service manager would: whenever it ends, it is started again. Counts how often. */
export class Restarter {
  readonly #daemon: Daemon;
  #isWanted = false;
  #running: Promise<void> = Promise.resolve();
  /** How often it has ended although nobody asked it to. */
  restarts = 0;

  constructor(daemon: Daemon) {
    this.#daemon = daemon;
  }

  start(): void {
    this.#isWanted = true;
    this.#daemon.start();
    this.#running = this.#keepRunning();
  }

  /** Ends it in order, and starts it again at once. */
  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** Ends it in order; it stays away. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    await this.#daemon.end();
    await this.#running;
  }

  async #keepRunning(): Promise<void> {
    for (;;) {
      await this.#daemon.exited();
      if (!this.#isWanted) return;
      this.restarts += 1;
      await new Promise((resolve) => setTimeout(resolve, restartAfterMs));
      if (!this.#isWanted) return;
      this.#daemon.start();
    }
  }
}
