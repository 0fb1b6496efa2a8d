import { setMaxListeners } from 'node:events';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { EtcdCodec } from './etcd-codec.ts';
import type { EtcdConnection } from './etcd-connection.ts';
import { isStaleToken, toStoreError } from './etcd-errors.ts';
import {
  clusterIdOf,
  deleteEvent,
  type KeyValueMessage,
  type WatchRequest,
  type WatchResponse,
} from './etcd-methods.ts';
import { deadlineExceeded, GrpcError } from './grpc-status.ts';
import { fromBigInt, toBigInt } from './int64.ts';
import type { KeyRange, WatchBatch, WatchEvent, WatchOptions } from './store.ts';
import { CompactedError, type StoreError } from './store-error.ts';

/** A stream lives 5 to 10 minutes before the next one is opened: what hangs in a way nobody thought of ends then. */
const shortestLifeMs = 5 * 60_000;

/**
 * One watch over as many streams as it takes.
 *
 * It goes round: open a stream that starts at `#next`, wait for `created`, hand out batches, until the stream fails,
 * is mute, or has lived long enough; then again. `#next` is the revision after the last event that was handed out:
 * the header of an answer with events, or of `created`, may be far ahead of events that are still to come.
 * etcd never spreads a revision over two answers, but it cuts large answers into fragments at any event; so the last
 * revision of a fragment is held back until the rest is here.
 */
export class EtcdWatch {
  readonly #connection: EtcdConnection;
  readonly #codec: EtcdCodec;
  readonly #clock: Clock;
  readonly #range: KeyRange;
  readonly #options: WatchOptions;
  readonly #backoff = new Backoff({ baseMs: 100, capMs: 5000 });
  readonly #stopped = new AbortController();
  #clusterId: string | undefined;
  #next: bigint;
  #refusal: 'stale token' | 'denied' | undefined;
  #heldBack: WatchEvent[] = [];

  constructor(
    connection: EtcdConnection,
    codec: EtcdCodec,
    clock: Clock,
    watched: { readonly range: KeyRange; readonly fromRevision: bigint },
    options: WatchOptions,
  ) {
    this.#connection = connection;
    this.#codec = codec;
    this.#clock = clock;
    this.#range = watched.range;
    this.#next = watched.fromRevision;
    this.#options = options;
    this.#clusterId = connection.clusterId;
  }

  async *run(): AsyncGenerator<WatchBatch, never, void> {
    const ends = [this.#options.signal, this.#connection.closed];
    const stop = () => this.#stopped.abort(ends.find((end) => end.aborted)?.reason);
    for (const end of ends) {
      if (end.aborted) stop();
      setMaxListeners(0, end);
      end.addEventListener('abort', stop);
    }
    try {
      for (;;) {
        this.#stopped.signal.throwIfAborted();
        try {
          yield* this.#stream();
        } catch (error) {
          this.#stopped.signal.throwIfAborted();
          if (error instanceof CompactedError) throw error;
          await this.#recover(toStoreError(error, this.#attempted));
        }
      }
    } finally {
      for (const end of ends) end.removeEventListener('abort', stop);
    }
  }

  get #attempted(): string {
    return `watch ${this.#range.start} from revision ${this.#next}`;
  }

  async #recover(failure: StoreError): Promise<void> {
    const before = this.#refusal;
    this.#refusal = isRefusal(failure) ? (isStaleToken(failure) ? 'stale token' : 'denied') : undefined;
    // To a watch an expired token may look like a missing permission, and while it is refused its token expires again;
    // neither is news, nor a reason to wait, unless a new token fares no better.
    if (this.#refusal && (!before || (this.#refusal === 'stale token' && before === 'denied'))) return;
    this.#options.onDisconnect?.(failure);
    await this.#clock.sleep(this.#backoff.next(), this.#stopped.signal);
  }

  /** One stream from its opening to its end: returns when it has lived long enough, throws when it failed. */
  async *#stream(): AsyncGenerator<WatchBatch, void, void> {
    const { stream, failed, refused } = await this.#connection.openWatch();
    let end: 'old' | 'mute' | undefined;
    const endAfter = (ms: number, why: 'old' | 'mute') =>
      this.#clock.after(ms, () => {
        end = why;
        stream.cancel();
      });
    const stopPatience = endAfter(this.#connection.callTimeoutMs, 'mute');
    const stopLife = endAfter(shortestLifeMs * (1 + Math.random()), 'old');
    // On abort too: a consumer that was told to stop may never ask this generator again.
    const release = () => {
      stopPatience();
      stopLife();
      this.#stopped.signal.removeEventListener('abort', release);
      stream.cancel();
    };
    this.#stopped.signal.addEventListener('abort', release);
    this.#heldBack = [];
    try {
      stream.write({ create_request: this.#createRequest() });
      for await (const response of stream) {
        stopPatience();
        if (response.canceled) throw this.#canceled(response);
        if (response.created) {
          await this.#checkHistory(response);
          this.#backoff.reset();
          this.#refusal = undefined;
          this.#options.onConnect?.();
        }
        const batch = this.#take(response);
        if (batch) {
          this.#next = batch.revision + 1n;
          yield batch;
        }
      }
    } catch (error) {
      if (end === 'old') return;
      if (error instanceof CompactedError || this.#stopped.signal.aborted) throw error;
      const failure = toStoreError(
        end === 'mute' ? new GrpcError(deadlineExceeded, 'no answer') : error,
        this.#attempted,
      );
      if (failure.code === 'unavailable') failed();
      if (isRefusal(failure)) refused();
      throw failure;
    } finally {
      release();
    }
  }

  #createRequest(): WatchRequest['create_request'] {
    return {
      ...this.#codec.range(this.#range),
      start_revision: fromBigInt(this.#next),
      fragment: true,
      progress_notify: true,
    };
  }

  /** The whole revisions that are here with this answer. */
  #take(response: WatchResponse): WatchBatch | undefined {
    const events = [...this.#heldBack, ...response.events.map(({ type, kv }) => this.#event(type, kv))];
    const last = events.at(-1);
    // Without events it tells progress: everything up to its revision has been sent.
    if (!last && !response.created) this.#next = toBigInt(response.header.revision) + 1n;
    const incomplete = last && response.fragment ? revisionOf(last) : undefined;
    this.#heldBack = events.filter((event) => revisionOf(event) === incomplete);
    const whole = events.slice(0, events.length - this.#heldBack.length);
    const lastWhole = whole.at(-1);
    return lastWhole && { revision: revisionOf(lastWhole), events: whole };
  }

  #event(type: number, kv: KeyValueMessage): WatchEvent {
    if (type !== deleteEvent) return { type: 'put', kv: this.#codec.keyValue(kv) };
    return { type: 'delete', key: this.#codec.keyOf(kv.key), modRevision: toBigInt(kv.mod_revision) };
  }

  #canceled({ compact_revision, cancel_reason }: WatchResponse): Error {
    const compacted = toBigInt(compact_revision);
    if (compacted > 0n) return new CompactedError(compacted);
    return toStoreError({ message: cancel_reason }, this.#attempted);
  }

  /** A store put back from a backup would wait in silence until it has grown to `#next`. */
  async #checkHistory({ header }: WatchResponse): Promise<void> {
    const before = this.#clusterId;
    const clusterId = clusterIdOf(header);
    this.#clusterId = clusterId;
    if (before !== undefined && before !== clusterId) {
      throw new CompactedError(toBigInt(header.revision), `the store is another one: cluster ${clusterId}`);
    }
    if (toBigInt(header.revision) >= this.#next - 1n) return;
    // This member may be behind the others, the cluster as a whole may not.
    const request = { key: this.#codec.key('/'), count_only: true };
    const { signal } = this.#stopped;
    const now = await this.#connection.call('range', request, () => this.#attempted, { signal });
    const revision = toBigInt(now.header.revision);
    if (revision >= this.#next - 1n) return;
    throw new CompactedError(revision, `the store went back: it is at revision ${revision}, before ${this.#next - 1n}`);
  }
}

const isRefusal = ({ code }: StoreError) => code === 'permission-denied' || code === 'unauthenticated';
const revisionOf = (event: WatchEvent): bigint => (event.type === 'put' ? event.kv.modRevision : event.modRevision);
