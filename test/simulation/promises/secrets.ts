import { type Credentials, parseCredentialsKey } from '../../../src/schema/credentials.ts';
import type { World } from '../../controller/support/world.ts';
import { claim } from '../claim.ts';
import type { Promised } from './promise.ts';

/** P11: a password is in the credentials and in the state of its instance, in no other key and in no line of a log. */
export class Secrets implements Promised {
  readonly #world: World;
  readonly #passwords = new Set<string>();
  #lookedAt = 0n;

  constructor(world: World) {
    this.#world = world;
  }

  look(): void {
    const news = this.#world.pairs().filter(({ modRevision }) => modRevision > this.#lookedAt);
    this.#lookedAt = this.#world.keyspace.revision;
    for (const { key, value } of news) {
      if (!parseCredentialsKey(key)) continue;
      for (const account of Object.values(JSON.parse(value) as Credentials)) {
        if (typeof account === 'object') this.#passwords.add(account.password);
      }
    }
    for (const { key, value } of news) {
      if (!parseCredentialsKey(key) && !key.endsWith('/state')) this.tells(key, value);
    }
  }

  /** Somebody may read this text. */
  tells(where: string, text: string): void {
    for (const password of this.#passwords) claim(!text.includes(password), `${where} tells no password`);
  }
}
