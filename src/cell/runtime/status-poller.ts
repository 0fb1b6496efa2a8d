import { request } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import type { NodeId } from '../../schema/ids.ts';
import { isPrimaryRole } from '../../schema/patroni.ts';
import { type PatroniStatus, parsePatroniStatus } from '../../schema/patroni-status.ts';
import type { Clock } from '../../time/clock.ts';

const startingIntervalMs = 500;
const leaderIntervalMs = 1000;
const restIntervalMs = 5000;
const timeoutMs = 2000;
// One answer lost on a busy machine is no news; three are.
const failuresBelieved = 3;
const answersBelieved = 3;

/** Asks one node's Patroni how it is: often while that changes or others wait for it, seldom at rest. */
export class StatusPoller {
  /** Resolves when the first question was answered, or was not. */
  readonly asked: Promise<void>;
  #onAsked = () => {};
  #status: PatroniStatus | undefined;
  #failures = 0;
  readonly #connected = new Map<NodeId, number>();

  constructor() {
    this.asked = new Promise((resolve) => {
      this.#onAsked = resolve;
    });
  }

  /** What Patroni last answered; undefined while it does not. */
  get status(): PatroniStatus | undefined {
    return this.#status;
  }

  /** Polls until aborted; calls back when the answer differs from the one before. */
  async run(address: string, clock: Clock, onChange: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const answer = this.#believe(await ask(address, clock, signal));
      if (signal.aborted) return;
      this.#failures = answer ? 0 : this.#failures + 1;
      const status = answer ?? (this.#failures < failuresBelieved ? this.#status : undefined);
      const changed = !isDeepStrictEqual(status, this.#status);
      this.#status = status;
      this.#onAsked();
      if (changed) onChange();
      try {
        await clock.sleep(this.#intervalMs(), signal);
      } catch {
        return;
      }
    }
  }

  // One that connects, is refused and connects again is seen by chance: who catches up is there each time.
  #believe(answer: PatroniStatus | undefined): PatroniStatus | undefined {
    if (!answer) return undefined;
    const { catchingUp = [], ...rest } = answer;
    for (const node of this.#connected.keys()) if (!catchingUp.includes(node)) this.#connected.delete(node);
    for (const node of catchingUp) this.#connected.set(node, (this.#connected.get(node) ?? 0) + 1);
    const steady = catchingUp.filter((node) => (this.#connected.get(node) ?? 0) >= answersBelieved);
    return steady.length > 0 ? { ...rest, catchingUp: steady } : rest;
  }

  #intervalMs(): number {
    if (this.#failures > 0 || this.#status?.state !== 'running') return startingIntervalMs;
    return isPrimaryRole(this.#status.role) ? leaderIntervalMs : restIntervalMs;
  }
}

function ask(address: string, clock: Clock, signal: AbortSignal): Promise<PatroniStatus | undefined> {
  return new Promise((resolve) => {
    const asking = new AbortController();
    const giveUp = () => asking.abort();
    const cancel = clock.after(timeoutMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    const settle = (status: PatroniStatus | undefined) => {
      cancel();
      signal.removeEventListener('abort', giveUp);
      resolve(status);
    };
    const options = { agent: false, signal: asking.signal };
    const asked = request(`http://${address}/patroni`, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', () => settle(undefined));
      response.on('end', () => {
        const status = parsePatroniStatus(text);
        settle(status.ok ? status.value : undefined);
      });
    });
    asked.on('error', () => settle(undefined));
    asked.end();
  });
}
