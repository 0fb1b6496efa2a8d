import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import { CallError } from '../fixtures/kv/kv-client.ts';
import type { Message } from '../fixtures/kv/protocol.ts';
import { until } from '../fixtures/until.ts';
import type { Action, Answer, Call } from './history.ts';
import { unexplained } from './linearize.ts';

/** A server that can be killed and started again on its data. */
export interface Mortal {
  readonly endpoint: string;
  start(): Promise<unknown>;
  /** `kill -9`. */
  kill(): Promise<unknown>;
}

const clients = 6;
const keys = ['lin/a', 'lin/b', 'lin/c'];

/**
 * A round: clients write and read a few keys while the server is killed and started again, until each has made so many
 * calls. Throws when no order explains what they were told, or a write that was answered is not in the history.
 * Returns how many calls it was about.
 */
export async function playRound(
  server: Mortal,
  { callsEach, kills, random }: { readonly callsEach: number; readonly kills: number; readonly random: () => number },
): Promise<{ readonly calls: number; readonly lost: number }> {
  const observer = new GrpcClient(server.endpoint);
  const { header } = await observer.call('KV/Range', { key: 'lin/a' });
  const since = BigInt(header.revision);
  const initial = await values(observer);
  observer.close();

  const history: Call[] = [];
  const total = clients * callsEach;
  const playing = Array.from({ length: clients }, (_, client) =>
    new Player(server.endpoint, client, since, history, random).play(callsEach),
  );
  const killing = (async () => {
    for (let kill = 1; kill <= kills; kill++) {
      const at = (total * (kill - random())) / kills;
      await until('calls before the kill', () => history.length >= Math.min(at, total - clients), { everyMs: 1 });
      await server.kill();
      await server.start();
    }
  })();
  await Promise.all([...playing, killing]);

  const reader = new GrpcClient(server.endpoint);
  try {
    for (const key of keys) history.push(await finalRead(reader, key));
    checkOrder(history, initial);
    checkRevisions(history);
    checkEvents(history, await eventsSince(reader, since + 1n));
  } finally {
    reader.close();
  }
  return { calls: history.length, lost: history.filter(({ answer }) => answer.type === 'lost').length };
}

/** One client: a call after the other, on a new connection whenever the last one was lost. */
class Player {
  readonly #endpoint: string;
  readonly #client: number;
  readonly #round: bigint;
  readonly #history: Call[];
  readonly #random: () => number;
  #connection: GrpcClient;
  #writes = 0;
  /** What it saw last, to swap from. */
  readonly #seen = new Map<string, string | undefined>();

  constructor(endpoint: string, client: number, round: bigint, history: Call[], random: () => number) {
    this.#endpoint = endpoint;
    this.#client = client;
    this.#round = round;
    this.#history = history;
    this.#random = random;
    this.#connection = new GrpcClient(endpoint);
  }

  async play(count: number): Promise<void> {
    try {
      for (let i = 0; i < count; i++) {
        const answer = await this.#once();
        if (answer.type === 'lost') await this.#reconnect();
      }
    } finally {
      this.#connection.close();
    }
  }

  async #once(): Promise<Answer> {
    const key = keys[Math.floor(this.#random() * keys.length)] as string;
    const action = this.#choose(key);
    const beganMs = performance.now();
    let answer: Answer;
    try {
      answer = answerOf(action, await this.#connection.call(...requestOf(key, action)));
    } catch (error) {
      if (!(error instanceof CallError) || error.code !== 14) throw error;
      answer = { type: 'lost' };
    }
    const endedMs = answer.type === 'lost' ? Number.POSITIVE_INFINITY : performance.now();
    this.#history.push({ client: this.#client, key, action, answer, beganMs, endedMs });
    if (answer.type === 'read') this.#seen.set(key, answer.value);
    return answer;
  }

  #choose(key: string): Action {
    // No two writes of all rounds are alike: a read tells which one it saw.
    const value = () => `${this.#round}.${this.#client}.${this.#writes++}`;
    const dice = this.#random();
    if (dice < 0.35) return { type: 'get' };
    if (dice < 0.6) return { type: 'put', value: value() };
    if (dice < 0.7) return { type: 'delete' };
    return { type: 'swap', expected: this.#seen.get(key), value: value() };
  }

  async #reconnect(): Promise<void> {
    await until('the server is back', async () => {
      this.#connection.close();
      this.#connection = new GrpcClient(this.#endpoint);
      return this.#connection.call('KV/Range', { key: 'lin/up' }).catch(() => undefined);
    });
  }
}

function requestOf(key: string, action: Action): [string, Message] {
  switch (action.type) {
    case 'get':
      return ['KV/Range', { key }];
    case 'put':
      return ['KV/Put', { key, value: action.value }];
    case 'delete':
      return ['KV/DeleteRange', { key }];
    case 'swap': {
      const { expected, value } = action;
      const compare =
        expected === undefined ? { target: 'CREATE', create_revision: '0' } : { target: 'VALUE', value: expected };
      return ['KV/Txn', { compare: [{ key, ...compare }], success: [{ request_put: { key, value } }] }];
    }
  }
}

function answerOf(action: Action, message: Message): Answer {
  const revision = BigInt(message['header'].revision);
  switch (action.type) {
    case 'get':
      return { type: 'read', value: message['kvs'] && (message['kvs'][0].value ?? ''), revision };
    case 'put':
      return { type: 'done', wrote: true, revision };
    case 'delete':
      return { type: 'done', wrote: message['deleted'] === '1', revision };
    case 'swap':
      return { type: 'done', wrote: message['succeeded'] === true, revision };
  }
}

async function finalRead(client: GrpcClient, key: string): Promise<Call> {
  const action = { type: 'get' } as const;
  const beganMs = performance.now();
  const answer = answerOf(action, await client.call('KV/Range', { key }));
  return { client: -1, key, action, answer, beganMs, endedMs: performance.now() };
}

async function values(client: GrpcClient): Promise<Map<string, string | undefined>> {
  const found = new Map<string, string | undefined>();
  for (const key of keys) {
    const { answer } = await finalRead(client, key);
    found.set(key, answer.type === 'read' ? answer.value : undefined);
  }
  return found;
}

function checkOrder(history: readonly Call[], initial: ReadonlyMap<string, string | undefined>): void {
  for (const key of keys) {
    const stuck = unexplained(
      history.filter((call) => call.key === key),
      initial.get(key),
    );
    if (stuck) throw new Error(`no order explains what clients were told of ${key}:\n${stuck.map(print).join('\n')}`);
  }
}

/** A write has a revision of its own, and a call that came after another sees no smaller one. */
function checkRevisions(history: readonly Call[]): void {
  const writers = new Map<bigint, Call>();
  let highest = 0n;
  const answered = history.filter(({ answer }) => answer.type !== 'lost');
  const byEnd = answered.toSorted((a, b) => a.endedMs - b.endedMs);
  let ended = 0;
  for (const call of answered.toSorted((a, b) => a.beganMs - b.beganMs)) {
    for (; (byEnd[ended]?.endedMs ?? Number.POSITIVE_INFINITY) < call.beganMs; ended++) {
      const revision = revisionOf(byEnd[ended] as Call);
      if (revision > highest) highest = revision;
    }
    const revision = revisionOf(call);
    if (revision < highest) throw new Error(`after revision ${highest} came ${print(call)}`);
    if (!wrote(call)) continue;
    const other = writers.get(revision);
    if (other) throw new Error(`a revision was used twice:\n${print(other)}\n${print(call)}`);
    if (revision === highest) throw new Error(`a write took revision ${highest}, which was there: ${print(call)}`);
    writers.set(revision, call);
  }
}

/** Everything that was answered is in the history, at the revision that was answered; every revision is there once. */
function checkEvents(history: readonly Call[], events: ReadonlyMap<bigint, Message>): void {
  for (const call of history.filter(wrote)) {
    const event = events.get(revisionOf(call));
    const { action } = call;
    const kept =
      event?.['kv'].key === call.key &&
      (action.type === 'delete' ? event['type'] === 'DELETE' : 'value' in action && event['kv'].value === action.value);
    if (!kept) throw new Error(`the history has ${JSON.stringify(event)} instead of ${print(call)}`);
  }
}

async function eventsSince(client: GrpcClient, start: bigint): Promise<Map<bigint, Message>> {
  const { header } = await client.call('KV/Put', { key: 'lin/end' });
  const last = BigInt(header.revision);
  const range = { key: 'lin/', range_end: 'lin0', start_revision: String(start) };
  const watch = client.open('Watch/Watch', { create_request: range });
  const events = new Map<bigint, Message>();
  let expected = start;
  while (!events.has(last)) {
    for (const event of (await watch.next())?.['events'] ?? []) {
      const revision = BigInt(event.kv.mod_revision);
      if (revision !== expected) throw new Error(`the history goes on with ${revision} instead of ${expected}`);
      expected += 1n;
      events.set(revision, event);
    }
  }
  watch.close();
  return events;
}

const wrote = ({ answer }: Call): boolean => answer.type === 'done' && answer.wrote;
const revisionOf = ({ answer }: Call): bigint => (answer.type === 'lost' ? 0n : answer.revision);
const print = (call: Call): string =>
  JSON.stringify(call, (_name, value) => (typeof value === 'bigint' ? String(value) : value));
