import type { Clock } from '../../time/clock.ts';
import type { Watch, WatchListener } from '../backend.ts';
import type { Event, WatchCreateRequest } from '../messages.ts';
import type { Batch, StorageEngine, Wanted } from '../storage/engine.ts';
import { Watcher, type WatcherHub } from './watcher.ts';
import { WatcherIndex } from './watcher-index.ts';

const retryMs = 1000;

/**
 * Every watch is in one of three places. Live ones are found through an index when a commit is published, and get its
 * events from memory. Those behind, because they began in the past or their connection was full for a while, are read
 * from history together, page by page, each taking what it wants; when a page reaches the present they become live in
 * the same turn, so nothing is missed and nothing comes twice. Those whose connection is full wait, and cost nothing.
 */
export class WatchHub implements WatcherHub {
  readonly #engine: StorageEngine;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  #cancelRetry: (() => void) | undefined;
  readonly #live = new WatcherIndex();
  readonly #behind = new Set<Watcher>();
  #revision: bigint;
  /** Beyond the revision while what other servers wrote is being read. */
  #pullTarget = 0n;
  #catchingUp = false;
  #closed = false;
  #size = 0;

  constructor(engine: StorageEngine, clock: Clock, onFailure: (error: unknown) => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.#revision = engine.revision;
  }

  /** Up to which live watches have been told everything. */
  get revision(): bigint {
    return this.#revision;
  }

  /** How many watches there are. */
  get size(): number {
    return this.#size;
  }

  watch(request: WatchCreateRequest, listener: WatchListener): Watch {
    const next = request.startRevision > 0n ? request.startRevision : this.#engine.revision + 1n;
    const watcher = new Watcher(this, request, next, listener);
    this.#size += 1;
    this.#place(watcher);
    return watcher;
  }

  /** Tells live watches of a commit of this server. */
  publish({ events, since, revision }: Pick<Batch, 'events' | 'since' | 'revision'>): void {
    // Others have written before it: history knows all of it in order.
    if (this.#pullTarget > this.#revision || since > this.#revision) this.pull(revision);
    else if (revision > this.#revision) this.#deliver(events, revision);
  }

  /** Tells live watches of what other servers have written up to a revision. */
  pull(revision: bigint): void {
    const isPulling = this.#pullTarget > this.#revision;
    if (revision > this.#pullTarget) this.#pullTarget = revision;
    if (!isPulling && this.#pullTarget > this.#revision) this.#pullAll().catch((error) => this.#retryLater(error));
  }

  async #pullAll(): Promise<void> {
    try {
      while (this.#revision < this.#pullTarget && !this.#closed) {
        // All of it, whoever wants it: a watch may begin while the page is read.
        const page = await this.#engine.history(this.#revision + 1n, this.#pullTarget, () => 'event and previous');
        if (page.compactRevision > this.#revision + 1n) this.#endLive(page.compactRevision);
        this.#deliver(page.events, page.through);
      }
    } finally {
      this.#pullTarget = this.#revision;
    }
  }

  #deliver(events: readonly Event[], revision: bigint): void {
    this.#revision = revision;
    for (const watcher of gather(this.#live, events)) {
      if (watcher.state !== 'live' || watcher.flush(revision, true)) continue;
      this.#live.remove(watcher);
      // Its listener may have cancelled it instead.
      if (watcher.state === 'live') watcher.state = 'full';
    }
  }

  onResume(watcher: Watcher): void {
    this.#place(watcher);
  }

  onCancel(watcher: Watcher): void {
    if (watcher.state === 'live') this.#live.remove(watcher);
    this.#behind.delete(watcher);
    watcher.state = 'ended';
    this.#size -= 1;
  }

  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
  }

  #place(watcher: Watcher): void {
    if (watcher.next > this.#revision) {
      watcher.state = 'live';
      this.#live.add(watcher);
      return;
    }
    watcher.state = 'behind';
    this.#behind.add(watcher);
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    setImmediate(() => {
      this.#catchUp().catch((error) => this.#retryLater(error));
    });
  }

  /** Takes up again what a failed read interrupted. */
  #retryLater(error: unknown): void {
    if (this.#closed) return;
    this.#onFailure(error);
    this.#cancelRetry ??= this.#clock.after(retryMs, () => {
      this.#cancelRetry = undefined;
      this.pull(this.#engine.revision);
      const [first] = this.#behind;
      if (first) this.#place(first);
    });
  }

  async #catchUp(): Promise<void> {
    try {
      while (this.#behind.size && !this.#closed) {
        this.#endCompacted(this.#engine.compactRevision);
        if (this.#behind.size) await this.#readPage([...this.#behind]);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    } finally {
      this.#catchingUp = false;
    }
  }

  async #readPage(readers: readonly Watcher[]): Promise<void> {
    const index = new WatcherIndex();
    let from = this.#revision;
    for (const reader of readers) {
      index.add(reader);
      if (reader.next < from) from = reader.next;
    }
    const page = await this.#engine.history(from, this.#revision, (key) => wantedBy(index, key));
    // What was compacted while the page was read may be missing in it.
    this.#endCompacted(page.compactRevision);
    gather(index, page.events);
    for (const reader of readers) {
      if (reader.state !== 'behind' || reader.next > page.through) continue;
      this.#behind.delete(reader);
      const isTaken = reader.flush(page.through, page.through === this.#revision);
      // Its listener may have cancelled it meanwhile.
      if (reader.state !== 'behind') continue;
      if (isTaken) this.#place(reader);
      else reader.state = 'full';
    }
  }

  /** Others have compacted what was not delivered yet. */
  #endLive(compactRevision: bigint): void {
    for (const watcher of this.#live.all()) {
      if (watcher.next >= compactRevision) continue;
      this.onCancel(watcher);
      watcher.listener.compacted(compactRevision);
    }
  }

  #endCompacted(compactRevision: bigint): void {
    for (const watcher of this.#behind) {
      if (watcher.next >= compactRevision) continue;
      this.onCancel(watcher);
      watcher.listener.compacted(compactRevision);
    }
  }
}

/** Gives events to those who want them. Returns those who got any. */
function gather(index: WatcherIndex, events: readonly Event[]): Watcher[] {
  const receivers: Watcher[] = [];
  for (const event of events) {
    let bareEvent: Event | undefined;
    const bare = () => {
      bareEvent ??= { type: event.type, kv: event.kv, prevKv: undefined };
      return bareEvent;
    };
    index.visit(event.kv.key, (watcher) => {
      if (watcher.gather(event, bare)) receivers.push(watcher);
    });
  }
  return receivers;
}

function wantedBy(index: WatcherIndex, key: Buffer): Wanted {
  let wanted: Wanted = 'nothing';
  index.visit(key, (watcher) => {
    if (wanted !== 'event and previous') wanted = watcher.wants(key);
  });
  return wanted;
}
