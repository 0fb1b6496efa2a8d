import { expect } from 'chai';
import { CallError, type Conversation, type KvClient } from '../../fixtures/kv/kv-client.ts';
import type { Message } from '../../fixtures/kv/protocol.ts';

/** etcd's status codes by name. */
export const codes = {
  Unknown: 2,
  InvalidArgument: 3,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  Unauthenticated: 16,
} as const;

/** What the gateway makes of a status. */
const httpStatus: Readonly<Record<number, number>> = {
  2: 500,
  3: 400,
  5: 404,
  7: 403,
  8: 429,
  9: 412,
  11: 400,
  12: 501,
  13: 500,
  14: 503,
  16: 401,
};

/** A server under test through one transport, and short words for what tests ask of it. Each test has keys of its own. */
export class Tested {
  #client: KvClient | undefined;
  #connect: (() => KvClient) | undefined;
  #tests = 0;
  /** A stream takes more than its first message: not through the gateway. */
  readonly manyPerStream: boolean;
  readonly #others: KvClient[] = [];
  readonly #watches: Watching[] = [];
  prefix = '';

  constructor(manyPerStream: boolean) {
    this.manyPerStream = manyPerStream;
  }

  /** Begins to test a server; `connect` makes further clients of it. */
  use(connect: () => KvClient): void {
    this.#connect = connect;
    this.#client = connect();
  }

  /** Between two tests. */
  next(): void {
    this.#tests += 1;
    this.prefix = `/${this.client.transport}/${this.#tests}/`;
    this.client.token = undefined;
    for (const watch of this.#watches.splice(0)) watch.close();
  }

  close(): void {
    for (const watch of this.#watches.splice(0)) watch.close();
    for (const client of this.#others.splice(0)) client.close();
    this.#client?.close();
  }

  get client(): KvClient {
    if (!this.#client) throw new Error('no server is under test');
    return this.#client;
  }

  another(token?: string): KvClient {
    const client = this.#connect?.() as KvClient;
    client.token = token;
    this.#others.push(client);
    return client;
  }

  key(name: string): string {
    return this.prefix + name;
  }

  /** All keys of this test. */
  all(rest: Message = {}): Message {
    return { key: this.prefix, range_end: after(this.prefix), ...rest };
  }

  /** Calls and returns the answer without what tells one server from another. */
  async ask(method: string, request: Message = {}): Promise<Message> {
    return anonymous(await this.client.call(method, request));
  }

  async revision(): Promise<number> {
    const { header } = await this.ask('KV/Range', { key: '\0absent' });
    return Number(header.revision);
  }

  /** Puts a key of this test and returns the revision. */
  async put(name: string, value = '', rest: Message = {}): Promise<number> {
    const { header } = await this.ask('KV/Put', { key: this.key(name), value, ...rest });
    return Number(header.revision);
  }

  async delete(name: string): Promise<number> {
    const { header } = await this.ask('KV/DeleteRange', { key: this.key(name) });
    return Number(header.revision);
  }

  async get(name: string, rest: Message = {}): Promise<Message | undefined> {
    const { kvs } = await this.ask('KV/Range', { key: this.key(name), ...rest });
    return kvs?.[0];
  }

  range(rest: Message = {}): Promise<Message> {
    return this.ask('KV/Range', this.all(rest));
  }

  /** Names of the keys that a range answers with. */
  async names(rest: Message = {}): Promise<string[]> {
    const { kvs = [] } = await this.range(rest);
    return kvs.map((kv: Message) => kv['key'].slice(this.prefix.length));
  }

  async grant(ttl: number, id = '0'): Promise<string> {
    const { ID } = await this.ask('Lease/LeaseGrant', { TTL: String(ttl), ID: id });
    return ID;
  }

  /** A pair as etcd answers with it. */
  kv(name: string, value: string, create: number, mod: number, version: number, lease?: string): Message {
    return {
      key: this.key(name),
      create_revision: String(create),
      mod_revision: String(mod),
      version: String(version),
      ...(value && { value }),
      ...(lease && { lease }),
    };
  }

  /** Opens a watch on all keys of this test and waits until the server has made it. */
  async watch(rest: Message = {}): Promise<Watching> {
    const watch = this.openWatch(this.all(rest));
    const created = await watch.next();
    expect(created).to.include({ created: true });
    return watch;
  }

  openWatch(create: Message): Watching {
    const watch = new Watching(this.client.open('Watch/Watch', { create_request: create }), this.prefix);
    this.#watches.push(watch);
    return watch;
  }

  /** Expects a refusal with exactly this status and text. */
  async refused(code: keyof typeof codes, message: string, call: () => Promise<unknown>): Promise<void> {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error, `nothing was refused instead of: ${message}`).to.be.instanceOf(CallError);
    const refusal = error as CallError;
    expect({ code: refusal.code, message: refusal.message }).to.deep.equal({ code: codes[code], message });
    if (refusal.httpStatus !== undefined) expect(refusal.httpStatus).to.equal(httpStatus[codes[code]]);
  }
}

/** One watch, and what came of it. */
export class Watching {
  readonly #conversation: Conversation;
  readonly #prefix: string;
  readonly responses: Message[] = [];

  constructor(conversation: Conversation, prefix: string) {
    this.#conversation = conversation;
    this.#prefix = prefix;
  }

  async next(): Promise<Message> {
    const response = await this.#conversation.next();
    if (!response) throw new Error('the watch was ended');
    const plain = anonymous(response);
    this.responses.push(plain);
    return plain;
  }

  send(message: Message): void {
    this.#conversation.send(message);
  }

  /** Events in short, until there are as many: `a=1`, `-a`, each with `@` and its revision relative to `base`. */
  async events(count: number, base: number): Promise<string[]> {
    const seen: string[] = [];
    while (seen.length < count) seen.push(...this.short(await this.#nextOfLiving(), base));
    return seen;
  }

  /** Whole events. */
  async full(count: number): Promise<Message[]> {
    const seen: Message[] = [];
    while (seen.length < count) seen.push(...((await this.#nextOfLiving())['events'] ?? []));
    return seen;
  }

  short(response: Message, base: number): string[] {
    return (response['events'] ?? []).map(({ type, kv }: Message) => {
      const name = kv.key.slice(this.#prefix.length);
      const change = type === 'DELETE' ? `-${name}` : `${name}=${kv.value ?? ''}`;
      return `${change}@${Number(kv.mod_revision) - base}`;
    });
  }

  endSending(): void {
    this.#conversation.endSending();
  }

  close(): void {
    this.#conversation.close();
  }

  async #nextOfLiving(): Promise<Message> {
    const response = await this.next();
    if (response['canceled']) throw new Error(`the watch was cancelled: ${JSON.stringify(response)}`);
    return response;
  }
}

/** Without the numbers of the cluster, which are not those of another. */
export function anonymous(answer: Message): Message {
  const copy: Message = {};
  for (const [name, value] of Object.entries(answer)) {
    if (name === 'cluster_id' || name === 'member_id' || name === 'raft_term') continue;
    if (Array.isArray(value)) copy[name] = value.map((each) => (isMessage(each) ? anonymous(each) : each));
    else copy[name] = isMessage(value) ? anonymous(value) : value;
  }
  return copy;
}

const isMessage = (value: unknown): value is Message => typeof value === 'object' && value !== null;

/** The end of the range of all keys that begin with `prefix`. */
export function after(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.slice(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}
