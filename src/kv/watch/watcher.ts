import type { Watch, WatchListener } from '../backend.ts';
import type { Event, WatchCreateRequest } from '../messages.ts';
import { isSingleKey, spanHas, spanOf } from '../mvcc/key-span.ts';
import type { Span, Wanted } from '../storage/engine.ts';

const partBytes = 1 << 20;

/** live: told of every commit. behind: served from history. full: waits for the connection. ended: over. */
export type WatcherState = 'live' | 'behind' | 'full' | 'ended';

/** What a watcher needs of its hub. */
export interface WatcherHub {
  readonly revision: bigint;
  onResume(watcher: Watcher): void;
  onCancel(watcher: Watcher): void;
}

/** One watch: which events it wants, and from which revision on it still has to get them. */
export class Watcher implements Watch {
  readonly span: Span;
  /** The one key that it watches, a character per byte. */
  readonly singleKey: string | undefined;
  readonly listener: WatchListener;
  state: WatcherState = 'behind';
  /** Events before this revision have been delivered, or were never asked for. */
  next: bigint;
  readonly #request: WatchCreateRequest;
  readonly #hub: WatcherHub;
  #gathered: Event[] = [];

  constructor(hub: WatcherHub, request: WatchCreateRequest, next: bigint, listener: WatchListener) {
    this.#hub = hub;
    this.#request = request;
    // etcd takes an empty key for the smallest there is.
    this.span = spanOf(request.key, request.rangeEnd);
    this.singleKey = isSingleKey(request) ? request.key.toString('latin1') : undefined;
    this.next = next;
    this.listener = listener;
  }

  get revision(): bigint {
    return this.state === 'live' ? this.#hub.revision : this.next - 1n;
  }

  get isSynced(): boolean {
    return this.state === 'live';
  }

  resume(): void {
    if (this.state === 'full') this.#hub.onResume(this);
  }

  cancel(): void {
    if (this.state !== 'ended') this.#hub.onCancel(this);
  }

  wants(key: Buffer): Wanted {
    if (!spanHas(this.span, key)) return 'nothing';
    return this.#request.prevKv ? 'event and previous' : 'event';
  }

  /** Keeps an event for `flush`, if it is wanted. Returns whether it is the first one. */
  gather(event: Event, bare: () => Event): boolean {
    const { noPut, noDelete, prevKv } = this.#request;
    if (event.kv.modRevision < this.next || (event.type === 'PUT' ? noPut : noDelete)) return false;
    return this.#gathered.push(prevKv ? event : bare()) === 1;
  }

  /**
   * Delivers what was gathered up to a revision, in parts of about a megabyte that end with a revision; `isPresent`
   * says that it is the store's newest. Returns false when the connection is full; what it did not take will be read
   * from history again.
   */
  flush(through: bigint, isPresent: boolean): boolean {
    const events = this.#gathered;
    this.#gathered = [];
    let from = 0;
    let bytes = 0;
    for (const [index, event] of events.entries()) {
      const revision = event.kv.modRevision;
      bytes += sizeOf(event);
      const isLast = index === events.length - 1;
      if (!isLast && (bytes < partBytes || events[index + 1]?.kv.modRevision === revision)) continue;
      this.next = isLast ? through + 1n : revision + 1n;
      const part = from === 0 && isLast ? events : events.slice(from, index + 1);
      if (!this.listener.deliver(part, isLast && isPresent ? through : revision)) return false;
      if (this.state === 'ended') return true;
      from = index + 1;
      bytes = 0;
    }
    if (this.next <= through) this.next = through + 1n;
    return true;
  }
}

function sizeOf({ kv, prevKv }: Event): number {
  return kv.key.length + kv.value.length + (prevKv ? prevKv.key.length + prevKv.value.length : 0) + 32;
}
