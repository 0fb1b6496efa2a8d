import { releaseLease } from '../store/release-lease.ts';
import type { Compare, Lease, Store } from '../store/store.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { ElectionMetrics, ElectionSeries } from './election-metrics.ts';
import type { Logger } from './logger.ts';

/** This process led and must be taken for deposed: it has to end, and to start again as a standby. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
  readonly code = 'leadership-lost';
}

export interface ElectionOptions {
  readonly store: Store;
  readonly key: string;
  /** Who leads, for people; the fence does not depend on it. */
  readonly identity: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ElectionMetrics;
  readonly leaseSeconds?: number;
  /** How long the leader goes on without an answered keep-alive: less than the lease, to end before another begins. */
  readonly renewDeadlineMs?: number;
  /** How often the key is looked at, besides being watched. */
  readonly retryMs?: number;
  readonly random?: () => number;
}

/**
 * What the leader does; ends soon after `leading` aborts. `fence` belongs into every transaction: it holds exactly as
 * long as this leadership does. `electionRevision` is the revision at which it began.
 */
export type Lead = (leading: AbortSignal, fence: Compare, electionRevision: bigint) => Promise<void>;

interface Leadership {
  readonly lease: Lease;
  readonly revision: bigint;
}

/**
 * At most one process leads: the one on whose lease the key hangs. A standby waits for the key to vanish, then creates
 * it on a lease of its own. The leader counts 10 s from before it sent the last keep-alive that was answered, on the
 * monotonic clock; the store counts 15 s from receiving it. A long enough pause breaks that arithmetic, but not the
 * fence: a transaction of a deposed leader fails.
 */
export class Election {
  readonly #options: Required<ElectionOptions>;
  readonly #series: ElectionSeries;

  constructor(options: ElectionOptions) {
    this.#options = { leaseSeconds: 15, renewDeadlineMs: 10_000, retryMs: 2_000, random: Math.random, ...options };
    const { leaseSeconds, renewDeadlineMs, retryMs } = this.#options;
    if (renewDeadlineMs >= leaseSeconds * 1000 || retryMs * 1.2 >= renewDeadlineMs) {
      throw new RangeError('an election needs retryMs * 1.2 < renewDeadlineMs < leaseSeconds * 1000');
    }
    this.#series = options.metrics.election(options.key);
  }

  /**
   * Waits for leadership and calls `lead`. Resolves when `signal` aborted and `lead` has returned; only then another
   * may lead. Rejects with `LeadershipLostError` as soon as it is lost.
   */
  async run(signal: AbortSignal, lead: Lead): Promise<void> {
    const leadership = await this.#campaign(signal);
    if (!leadership) return;
    const { key, identity, logger } = this.#options;
    const revision = leadership.revision.toString();
    logger.info({ key, identity, revision }, 'leadership won');
    this.#series.leading(true);
    try {
      await this.#lead(leadership, signal, lead);
      logger.info({ key, identity, revision }, 'leadership given away');
    } finally {
      this.#series.leading(false);
    }
  }

  /** Resolves with the leadership, or with nothing when the signal aborted. */
  async #campaign(signal: AbortSignal): Promise<Leadership | undefined> {
    const { store, key, clock, logger } = this.#options;
    const backoff = new Backoff({ baseMs: 500, capMs: 10_000 });
    while (!signal.aborted) {
      try {
        const { kv, revision } = await store.get(key, { signal });
        if (kv) await this.#gone(kv.createRevision, revision, signal);
        const leadership = await this.#claim(signal);
        if (leadership) return leadership;
        backoff.reset();
      } catch (error) {
        if (signal.aborted) return undefined;
        const waitMs = backoff.next();
        logger.warn({ err: error, key, waitMs: Math.round(waitMs) }, 'campaign failed');
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
    return undefined;
  }

  /** Creates the key on a new lease; nothing when somebody else was first. */
  async #claim(signal: AbortSignal): Promise<Leadership | undefined> {
    const { store, key, identity, leaseSeconds } = this.#options;
    const lease = await store.lease(leaseSeconds, { signal });
    try {
      const { succeeded, revision } = await store.txn(
        {
          if: [{ key, target: 'create', op: '=', value: 0n }],
          then: [{ type: 'put', key, value: identity, leaseId: lease.id }],
        },
        { signal },
      );
      if (succeeded) return { lease, revision };
    } catch (error) {
      // It may have happened all the same: without its lease the key goes.
      await this.#release(lease);
      throw error;
    }
    await this.#release(lease);
    return undefined;
  }

  #release(lease: Lease): Promise<void> {
    const { clock, logger } = this.#options;
    return releaseLease(lease, clock, (err) => {
      logger.warn({ err, lease: lease.id.toString() }, 'lease cannot be revoked');
    });
  }

  async #lead({ lease, revision }: Leadership, signal: AbortSignal, lead: Lead): Promise<void> {
    const { key } = this.#options;
    const leading = new AbortController();
    const supervision = new AbortController();
    const onStop = () => leading.abort(signal.reason);
    signal.addEventListener('abort', onStop, { once: true });
    if (signal.aborted) onStop();
    try {
      const fence: Compare = { key, target: 'create', op: '=', value: revision };
      await Promise.race([lead(leading.signal, fence, revision), this.#lost(lease, revision, supervision.signal)]);
    } catch (error) {
      leading.abort(error);
      // What `lead` has sent may still be on its way: let the lease run out.
      if (error instanceof LeadershipLostError) lease.abandon();
      throw error;
    } finally {
      signal.removeEventListener('abort', onStop);
      supervision.abort();
      await this.#release(lease);
    }
  }

  /** Rejects when the leadership is lost. */
  #lost(lease: Lease, revision: bigint, signal: AbortSignal): Promise<never> {
    return new Promise((_resolve, reject) => {
      const lose = (why: string) => reject(new LeadershipLostError(`lost ${this.#options.key}: ${why}`));
      lease.lost.addEventListener('abort', () => lose('its lease is lost'), { once: true, signal });
      this.#unanswered(lease, signal).then(
        () => lose(`no keep-alive was answered for ${this.#options.renewDeadlineMs} ms`),
        () => {},
      );
      this.#gone(revision, revision, signal).then(
        () => lose('the key was deleted'),
        () => {},
      );
    });
  }

  /** Resolves at the renew deadline, which every answered keep-alive moves. */
  async #unanswered(lease: Lease, signal: AbortSignal): Promise<void> {
    const { clock, renewDeadlineMs } = this.#options;
    const remainingMs = () => lease.lastRenewedMonotonicMs() + renewDeadlineMs - clock.monotonic();
    for (let ms = remainingMs(); ms > 0; ms = remainingMs()) await clock.sleep(ms, signal);
  }

  /** Resolves when the key as created at `createRevision` is no more. Watches, and looks every few seconds too. */
  async #gone(createRevision: bigint, seenRevision: bigint, signal: AbortSignal): Promise<void> {
    const { store, key, clock, logger, retryMs, random } = this.#options;
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    void this.#watchDeletion(seenRevision + 1n, waiting);
    while (!waiting.signal.aborted) {
      await clock.sleep(retryMs * (1 + 1.2 * random()), waiting.signal).catch(() => {});
      try {
        const { kv } = await store.get(key, { signal: waiting.signal });
        if (kv?.createRevision !== createRevision) stop();
      } catch (error) {
        if (!waiting.signal.aborted) logger.debug({ err: error, key }, 'looking at the election key failed');
      }
    }
    signal.removeEventListener('abort', stop);
    signal.throwIfAborted();
  }

  async #watchDeletion(fromRevision: bigint, waiting: AbortController): Promise<void> {
    const { store, key, logger } = this.#options;
    const { signal } = waiting;
    try {
      for await (const { events } of store.watch({ start: key, end: `${key}\0` }, fromRevision, { signal })) {
        if (events.some(({ type }) => type === 'delete')) waiting.abort();
      }
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error, key }, 'watching the election key failed');
    }
  }
}
