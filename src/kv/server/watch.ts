import type { Watch, WatchListener } from '../backend.ts';
import { watchRequestType, watchResponseType } from '../protocol/watch.ts';
import type { Message } from '../wire/schema.ts';
import { type Answers, type Caller, type Method, method, type Questions } from './method.ts';
import type { ServerParts } from './parts.ts';
import { piecesOf } from './watch-pieces.ts';

type WatchRequest = Message<typeof watchRequestType>;
type CreateRequest = NonNullable<WatchRequest['createRequest']>;
type WatchResponse = Message<typeof watchResponseType>;

/** Clients' own limits begin at 4 MB. */
const maxBytes = 1.5 * 1024 * 1024;
/** etcd's ten minutes are too long for who waits for proof that nothing is lost. */
const progressEveryMs = 10_000;
const lookAgainMs = 50;
const invalidId = -1n;
const zeroByte = Buffer.from([0]);

/** Watch.Watch */
export const watch = (parts: ServerParts): Method =>
  method({
    kind: 'stream',
    path: '/etcdserverpb.Watch/Watch',
    gateway: ['/watch'],
    request: watchRequestType,
    response: watchResponseType,
    isLast: ({ canceled }) => canceled,
    open: (answers, caller) => new WatchStream(parts, answers, caller),
  });

interface OpenWatch {
  readonly watch: Watch;
  readonly progressNotify: boolean;
  /** Since the last notification nothing was sent that told the client the revision. */
  quiet: boolean;
}

/** All watches of one stream. */
class WatchStream implements Questions<WatchRequest> {
  readonly #parts: ServerParts;
  readonly #answers: Answers<WatchResponse>;
  readonly #caller: Caller;
  readonly #watches = new Map<bigint, OpenWatch>();
  #nextId = 0n;
  #progressAsked = 0;
  #isFull = false;
  #stopNotifying: (() => void) | undefined;
  #stopLooking: (() => void) | undefined;

  constructor(parts: ServerParts, answers: Answers<WatchResponse>, caller: Caller) {
    this.#parts = parts;
    this.#answers = answers;
    this.#caller = caller;
  }

  next({ createRequest, cancelRequest, progressRequest }: WatchRequest): void {
    if (createRequest) this.#create(createRequest);
    else if (cancelRequest) this.#cancel(cancelRequest.watchId);
    else if (progressRequest) {
      this.#progressAsked += 1;
      this.#answerProgress();
    }
  }

  end(): void {}

  closed(): void {
    this.#stopNotifying?.();
    this.#stopLooking?.();
    for (const { watch } of this.#watches.values()) watch.cancel();
    this.#watches.clear();
  }

  drained(): void {
    this.#isFull = false;
    for (const { watch } of this.#watches.values()) {
      // One of them may have filled the connection again.
      if (this.#isFull) return;
      watch.resume();
    }
  }

  #create(request: CreateRequest): void {
    const { backend, gate } = this.#parts;
    const key = request.key.length === 0 ? zeroByte : request.key;
    const { rangeEnd } = request;
    const refusal = gate.refusalOf(this.#caller, 'READ', { key, rangeEnd });
    // Said as Go prints its errors: clients look for the words.
    const reason = refusal && `rpc error: code = ${refusal.code} desc = ${refusal.message}`;
    const problem = reason ?? this.#problemOf(request.watchId, key, rangeEnd);
    if (problem !== undefined) {
      this.#refuse(problem);
      return;
    }
    const id = request.watchId === 0n ? this.#freeId() : request.watchId;
    const { startRevision } = request;
    const current = backend.revision;
    const known = startRevision > 0n && startRevision <= current ? startRevision - 1n : current;
    this.#write({ watchId: id, created: true, revision: known });
    if (startRevision < 0n) {
      this.#tellCompacted(id, backend.status().compactRevision || -1n);
      return;
    }
    const { prevKv, filters, fragment, progressNotify } = request;
    const [noPut, noDelete] = [filters.includes('NOPUT'), filters.includes('NODELETE')];
    const opened = backend.watch(
      { key, rangeEnd, startRevision, prevKv, noPut, noDelete },
      this.#listener(id, fragment),
    );
    this.#watches.set(id, { watch: opened, progressNotify, quiet: true });
    if (progressNotify) this.#notifyLater();
  }

  #problemOf(id: bigint, key: Buffer, rangeEnd: Buffer): string | undefined {
    if (isEmptyRange(key, rangeEnd)) return 'mvcc: watcher range is empty';
    if (id !== 0n && this.#watches.has(id)) return 'mvcc: duplicate watch ID provided on the WatchStream';
    return undefined;
  }

  #listener(id: bigint, fragment: boolean): WatchListener {
    return {
      deliver: (events, revision) => {
        if (events.length > 0) {
          const opened = this.#watches.get(id);
          if (opened) opened.quiet = false;
          for (const piece of piecesOf(events, revision, { maxBytes, fragment })) {
            this.#write({ watchId: id, ...piece });
          }
        }
        if (this.#progressAsked > 0) this.#lookAgain();
        return !this.#isFull;
      },
      compacted: (compactRevision) => {
        this.#watches.delete(id);
        this.#tellCompacted(id, compactRevision);
      },
    };
  }

  #tellCompacted(watchId: bigint, compactRevision: bigint): void {
    const cancelReason = 'etcdserver: mvcc: required revision has been compacted';
    this.#write({ watchId, canceled: true, revision: 0n, compactRevision, cancelReason });
  }

  #cancel(id: bigint): void {
    const opened = this.#watches.get(id);
    if (!opened) return;
    opened.watch.cancel();
    this.#watches.delete(id);
    this.#write({ watchId: id, canceled: true, revision: this.#parts.backend.revision });
  }

  #refuse(cancelReason: string): void {
    this.#write({
      watchId: invalidId,
      created: true,
      canceled: true,
      revision: this.#parts.backend.revision,
      cancelReason,
    });
  }

  #freeId(): bigint {
    while (this.#watches.has(this.#nextId)) this.#nextId += 1n;
    const id = this.#nextId;
    this.#nextId += 1n;
    return id;
  }

  /** Only when everything has been delivered to every watch is there something to say for all of them. */
  #answerProgress(): void {
    const all = [...this.#watches.values()].map(({ watch }) => watch);
    if (!all.every((each) => each.isSynced)) {
      this.#lookAgain();
      return;
    }
    let revision = this.#parts.backend.revision;
    for (const each of all) if (each.revision < revision) revision = each.revision;
    for (; this.#progressAsked > 0; this.#progressAsked--) this.#write({ watchId: invalidId, revision });
  }

  #lookAgain(): void {
    this.#stopLooking ??= this.#parts.clock.after(lookAgainMs, () => {
      this.#stopLooking = undefined;
      this.#answerProgress();
    });
  }

  #notifyLater(): void {
    this.#stopNotifying ??= this.#parts.clock.after(progressEveryMs, () => {
      this.#stopNotifying = undefined;
      for (const [watchId, opened] of this.#watches) {
        if (!opened.progressNotify) continue;
        const { isSynced, revision } = opened.watch;
        if (opened.quiet && isSynced && !this.#isFull) this.#write({ watchId, revision });
        opened.quiet = true;
      }
      if (this.#watches.size > 0) this.#notifyLater();
    });
  }

  #write({ revision, ...response }: Partial<WatchResponse> & { readonly watchId: bigint; revision: bigint }): void {
    const hasRoom = this.#answers.write({
      header: this.#parts.identity.header(revision),
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: '',
      fragment: false,
      events: [],
      ...response,
    });
    if (!hasRoom) this.#isFull = true;
  }
}

/** No end: one key. A zero byte: all from the key on. */
const isEmptyRange = (key: Buffer, rangeEnd: Buffer): boolean =>
  rangeEnd.length > 0 && !rangeEnd.equals(zeroByte) && rangeEnd.compare(key) <= 0;
