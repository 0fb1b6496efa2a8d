import { createHmac, createPublicKey, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto';
import type { Clock } from '../../time/clock.ts';
import type { Bearer, Tokens } from './tokens.ts';

/** How tokens are signed. */
export type JwtKeys =
  | { readonly method: 'HS256'; readonly secret: Buffer }
  /** Without the private key tokens of others are accepted and none are made. */
  | { readonly method: 'RS256'; readonly privateKey: KeyObject | undefined; readonly publicKey: KeyObject };

const encode = (value: object | Buffer): string =>
  (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString('base64url');

/** Signed tokens: nothing is kept, and they end by themselves, or when any account changes. */
export class JwtTokens implements Tokens {
  readonly #keys: JwtKeys;
  readonly #ttlSeconds: number;
  readonly #clock: Clock;

  constructor(keys: JwtKeys, ttlSeconds: number, clock: Clock) {
    this.#keys = keys;
    this.#ttlSeconds = ttlSeconds;
    this.#clock = clock;
  }

  issue(user: string, revision: number): string {
    const exp = Math.floor(this.#clock.now() / 1000) + this.#ttlSeconds;
    const text = `${encode({ alg: this.#keys.method, typ: 'JWT' })}.${encode({ exp, revision, username: user })}`;
    return `${text}.${encode(this.#sign(text))}`;
  }

  bearer(token: string): Bearer | undefined {
    const [head = '', body = '', signature = '', ...more] = token.split('.');
    if (more.length > 0) return undefined;
    const claims = parse(body);
    const isOurs =
      parse(head)['alg'] === this.#keys.method &&
      this.#verify(`${head}.${body}`, Buffer.from(signature, 'base64url')) &&
      Number(claims['exp']) > this.#clock.now() / 1000;
    if (!isOurs || typeof claims['username'] !== 'string') return undefined;
    return { user: claims['username'], revision: Number(claims['revision']) };
  }

  forget(): void {}

  forgetAll(): void {}

  #sign(text: string): Buffer {
    const keys = this.#keys;
    if (keys.method === 'HS256') return createHmac('sha256', keys.secret).update(text).digest();
    if (!keys.privateKey) throw new Error('tokens are only verified here: there is no private key to sign them');
    return sign('sha256', Buffer.from(text), keys.privateKey);
  }

  #verify(text: string, signature: Buffer): boolean {
    const keys = this.#keys;
    if (keys.method === 'RS256') return verify('sha256', Buffer.from(text), keys.publicKey, signature);
    const expected = this.#sign(text);
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
}

/** The key that verifies what this private key signs. */
export const publicHalf = (privateKey: KeyObject): KeyObject => createPublicKey(privateKey);

function parse(part: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
