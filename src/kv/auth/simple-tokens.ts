import { randomBytes } from 'node:crypto';
import type { Clock } from '../../time/clock.ts';
import type { Bearer, Tokens } from './tokens.ts';

interface Kept {
  readonly user: string;
  untilMs: number;
}

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const randomLetters = 22;
const lifeMs = 300_000;

/** etcd's simple tokens: random text in memory, good until it was not used for five minutes. */
export class SimpleTokens implements Tokens {
  readonly #clock: Clock;
  /** The longest unused first. */
  readonly #kept = new Map<string, Kept>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(user: string): string {
    this.#sweep();
    this.#count += 1;
    const token = `${randomText()}.${this.#count}`;
    this.#kept.set(token, { user, untilMs: this.#clock.monotonic() + lifeMs });
    return token;
  }

  bearer(token: string): Bearer | undefined {
    const kept = this.#kept.get(token);
    if (!kept) return undefined;
    this.#kept.delete(token);
    const nowMs = this.#clock.monotonic();
    if (kept.untilMs <= nowMs) return undefined;
    kept.untilMs = nowMs + lifeMs;
    this.#kept.set(token, kept);
    return { user: kept.user, revision: undefined };
  }

  forget(user: string): void {
    for (const [token, kept] of this.#kept) if (kept.user === user) this.#kept.delete(token);
  }

  forgetAll(): void {
    this.#kept.clear();
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonic();
    for (const [token, { untilMs }] of this.#kept) {
      if (untilMs > nowMs) return;
      this.#kept.delete(token);
    }
  }
}

function randomText(): string {
  let text = '';
  while (text.length < randomLetters) {
    for (const byte of randomBytes(randomLetters)) {
      // Bytes above are left out: every letter is as likely as the others.
      if (byte < letters.length * 4 && text.length < randomLetters) text += letters[byte % letters.length];
    }
  }
  return text;
}
