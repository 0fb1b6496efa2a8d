import { Client } from 'pg';
import type { Clock } from '../../../time/clock.ts';
import { channel, metaNotice } from './write-batch.ts';

const pollMs = 1000;

export interface NoticesOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Looks how far the store is, and whether there is something new beside the key space. */
  readonly look: () => Promise<void>;
  readonly onRevision: (revision: bigint) => void;
}

/**
 * Hears of what other servers wrote: at once through a notification, within a second by looking, because a notification
 * is lost when its connection is.
 */
export class Notices {
  readonly #options: NoticesOptions;
  #client: Client | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed = false;
  #isLooking = false;
  /** There was a reason to look while we did. */
  #looksAgain = false;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    await this.#listen();
    this.#schedule();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    await this.#client?.end().catch(() => {});
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(pollMs, () => {
      void this.#look().finally(() => this.#schedule());
    });
  }

  /** One look at a time: what an older one has seen must not come after what a newer one has. */
  async #look(): Promise<void> {
    this.#looksAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#looksAgain && !this.#closed) {
        this.#looksAgain = false;
        if (!this.#client) await this.#listen();
        await this.#options.look();
      }
    } catch {
      // The database is away; the next look is in a second.
    } finally {
      this.#isLooking = false;
    }
  }

  async #listen(): Promise<void> {
    const client = new Client({
      connectionString: this.#options.url,
      keepAlive: true,
      connectionTimeoutMillis: 5000,
      application_name: 'pgherd kv notices',
    });
    const forget = () => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    client.on('notification', ({ payload }) => {
      if (payload && /^\d+$/.test(payload)) this.#options.onRevision(BigInt(payload));
      else if (payload === metaNotice) void this.#look();
    });
    await client.connect();
    await client.query(`LISTEN ${channel}`);
    if (this.#closed) await client.end();
    else this.#client = client;
  }
}
