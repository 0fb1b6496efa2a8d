import { GrpcClient } from '../../fixtures/kv/grpc-client.ts';
import { CallError, type Conversation } from '../../fixtures/kv/kv-client.ts';
import type { Message } from '../../fixtures/kv/protocol.ts';
import { leaseIds, type Operation } from './operations.ts';

interface ReplayedWatch {
  readonly id: string;
  readonly create: Message;
  /** Absolute; 0 for the present. */
  readonly start: number;
  /** What came: events one by one, and that it was created or cancelled. */
  readonly seen: Message[];
  over: boolean;
}

/** What a server did in one run: comparable with what another did. */
export interface Transcript {
  readonly answers: readonly Message[];
  readonly watches: readonly (readonly Message[])[];
}

/** Replays the same operations on a server again and again, each time as if it were new. */
export class Replay {
  readonly #client: GrpcClient;

  constructor(endpoint: string) {
    this.#client = new GrpcClient(endpoint);
  }

  async run(operations: readonly Operation[]): Promise<Transcript> {
    const run = new Run(this.#client, await this.#revision());
    try {
      for (const operation of operations) await run.step(operation);
      await run.barrier();
      return run.transcript();
    } finally {
      run.close();
      await this.#clean();
    }
  }

  close(): void {
    this.#client.close();
  }

  async #revision(): Promise<number> {
    const { header } = await this.#client.call('KV/Range', { key: 'a', count_only: true });
    return Number(header.revision);
  }

  async #clean(): Promise<void> {
    for (const ID of leaseIds) await this.#client.call('Lease/LeaseRevoke', { ID }).catch(() => {});
    // Always one revision, so that no two runs begin at the same one.
    await this.#client.call('KV/Put', { key: 'a' });
    await this.#client.call('KV/DeleteRange', { key: '\0', range_end: '\0' });
  }
}

class Run {
  readonly #client: GrpcClient;
  readonly #base: number;
  readonly #answers: Message[] = [];
  readonly #watches: ReplayedWatch[] = [];
  #stream: Conversation | undefined;
  #compacted = 0;

  constructor(client: GrpcClient, base: number) {
    this.#client = client;
    this.#base = base;
  }

  async step(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'call':
        await this.#call(operation.method, this.#absolute(operation.request));
        return;
      case 'compact':
        // Whether a watch that lags behind is cancelled is a matter of time.
        await this.barrier();
        await this.#call('KV/Compact', { revision: String(this.#base + operation.at), physical: true });
        return;
      case 'watch':
        return this.#watch(operation.create, operation.startAt === undefined ? 0 : this.#base + operation.startAt);
      case 'cancel':
        return this.#cancel(operation.watch);
    }
  }

  /** Waits until every watch has seen all that has happened: a put and a deletion of its own first key, too. */
  async barrier(): Promise<void> {
    const written: { readonly key: string; readonly put: number; readonly deleted: number }[] = [];
    for (const { create, over } of this.#watches) {
      if (over) continue;
      const key = create['key'] === '' || create['key'] === '\0' ? 'a' : create['key'];
      const put = await this.#client.call('KV/Put', { key, value: 'barrier' });
      const deleted = await this.#client.call('KV/DeleteRange', { key });
      written.push({ key, put: Number(put['header'].revision), deleted: Number(deleted['header'].revision) });
    }
    for (const watch of this.#watches) {
      const lastSeen = written.findLast(({ key }) => covers(watch.create, key));
      if (watch.over || !lastSeen) continue;
      const last = watch.create['filters'].includes('NODELETE') ? lastSeen.put : lastSeen.deleted;
      if (watch.start > last) continue;
      const reached = () => watch.seen.some(({ kv }) => kv && Number(kv.mod_revision) + this.#base >= last);
      while (!watch.over && !reached()) await this.#receive();
    }
  }

  transcript(): Transcript {
    return { answers: this.#answers, watches: this.#watches.map(({ seen }) => seen) };
  }

  close(): void {
    this.#stream?.close();
  }

  async #call(method: string, request: Message): Promise<void> {
    try {
      const answer = this.#relative(await this.#client.call(method, request));
      if (method === 'KV/Compact') this.#compacted = Number(request['revision']);
      this.#answers.push({ method, ...answer });
    } catch (error) {
      if (!(error instanceof CallError) || error.code === 14) throw error;
      this.#answers.push({ method, code: error.code, message: error.message });
    }
  }

  async #watch(create: Message, start: number): Promise<void> {
    const id = String(this.#watches.length + 1);
    const watch: ReplayedWatch = { id, create, start, seen: [], over: false };
    this.#watches.push(watch);
    const message = { create_request: { ...create, start_revision: String(start), watch_id: id } };
    if (this.#stream) this.#stream.send(message);
    else this.#stream = this.#client.open('Watch/Watch', message);
    while (!watch.over && !watch.seen.some(({ created }) => created)) await this.#receive();
    // Cancellation of a compacted watch follows by itself.
    while (!watch.over && start > 0 && start < this.#compacted) await this.#receive();
  }

  async #cancel(index: number): Promise<void> {
    const watch = this.#watches[index];
    if (!watch || watch.over) return;
    // What it was told of before is a matter of time.
    await this.barrier();
    this.#stream?.send({ cancel_request: { watch_id: watch.id } });
    while (!watch.over) await this.#receive();
  }

  async #receive(): Promise<void> {
    const response = await this.#stream?.next();
    if (!response) throw new Error('the watch stream was ended');
    const {
      created,
      canceled,
      cancel_reason,
      compact_revision,
      events = [],
      watch_id = '0',
    } = this.#relative(response);
    // One that was refused has no number: it is the last that was asked for.
    const watch = watch_id === '-1' ? this.#watches.at(-1) : this.#watches[Number(watch_id) - 1];
    if (!watch) throw new Error(`a message of an unknown watch: ${JSON.stringify(response)}`);
    // Of a compacted watch etcd gives no reason, where a server may well give one.
    const reason = compact_revision === undefined ? cancel_reason : undefined;
    if (created || canceled) watch.seen.push({ created, canceled, reason, compact_revision });
    watch.seen.push(...events);
    watch.over ||= canceled === true;
  }

  /** A request with the numbers of this server. */
  #absolute(request: Message): Message {
    return mapObject(request, (_name, value) =>
      typeof value?.at === 'number' ? String(this.#base + value.at) : undefined,
    );
  }

  /** An answer without what tells one server from another, or depends on time. */
  #relative(answer: Message): Message {
    return mapObject(answer, (name, value) => {
      if (name.endsWith('revision') && Number(value) > 0) return Number(value) - this.#base;
      if (name === 'cluster_id' || name === 'member_id' || name === 'raft_term') return null;
      // Seconds that are left, of 1000.
      if (name === 'TTL' && Number(value) > 900) return '1000';
      if (name === 'keys') return value.toSorted();
      if (name === 'leases') return value.map(({ ID }: Message) => ID).toSorted();
      return undefined;
    });
  }
}

/** Whether a watch is told of a key. */
function covers({ key, range_end }: Message, changed: string): boolean {
  if (range_end === undefined) return changed === key;
  return changed >= key && (range_end === '\0' || changed < range_end);
}

/** A deep copy in which `change` may replace values; null leaves a field out. */
// biome-ignore lint/suspicious/noExplicitAny: whatever a message holds
function mapObject(message: Message, change: (name: string, value: any) => unknown): Message {
  const copy: Message = {};
  for (const [name, value] of Object.entries(message)) {
    const changed = change(name, value);
    if (changed === null) continue;
    if (changed !== undefined) copy[name] = changed;
    else if (Array.isArray(value)) copy[name] = value.map((each) => (isObject(each) ? mapObject(each, change) : each));
    else copy[name] = isObject(value) ? mapObject(value, change) : value;
  }
  return copy;
}

const isObject = (value: unknown): value is Message => typeof value === 'object' && value !== null;
