import type { Backend } from '../backend.ts';
import { type Accounts, type Change, noAccounts, type Permission } from './accounts.ts';

const name = 'accounts';

interface Document {
  readonly enabled: boolean;
  readonly revision: number;
  readonly users: Readonly<Record<string, { readonly hash?: string; readonly roles: readonly string[] }>>;
  readonly roles: Readonly<Record<string, readonly (readonly [Permission['permType'], string, string])[]>>;
}

/** Accounts in memory, and in the store as one document: they are few, and read on every call. */
export class AccountStore {
  readonly #backend: Backend;
  #accounts = noAccounts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get accounts(): Accounts {
    return this.#accounts;
  }

  async load(): Promise<void> {
    const kept = await this.#backend.getMeta(name);
    this.#accounts = kept ? parse(kept) : noAccounts;
  }

  /** Changes come one after the other; each is true only once it is kept. */
  change(change: Change): Promise<void> {
    const work = async () => {
      const changed = change(this.#accounts);
      if (changed === this.#accounts) return;
      await this.#backend.setMeta(name, print(changed));
      this.#accounts = changed;
    };
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }
}

function print({ enabled, revision, users, roles }: Accounts): Buffer {
  const document: Document = {
    enabled,
    revision,
    users: Object.fromEntries(
      [...users].map(([user, { passwordHash, roles: granted }]) => [
        user,
        { ...(passwordHash !== undefined && { hash: passwordHash }), roles: granted },
      ]),
    ),
    roles: Object.fromEntries(
      [...roles].map(([role, permissions]) => [
        role,
        permissions.map(({ permType, key, rangeEnd }) => [
          permType,
          key.toString('base64'),
          rangeEnd.toString('base64'),
        ]),
      ]),
    ),
  };
  return Buffer.from(JSON.stringify(document));
}

function parse(bytes: Buffer): Accounts {
  const { enabled, revision, users, roles } = JSON.parse(bytes.toString('utf8')) as Document;
  return {
    enabled,
    revision,
    users: new Map(
      Object.entries(users).map(([user, { hash, roles: granted }]) => [user, { passwordHash: hash, roles: granted }]),
    ),
    roles: new Map(
      Object.entries(roles).map(([role, permissions]) => [
        role,
        permissions.map(([permType, key, end]) => ({
          permType,
          key: Buffer.from(key, 'base64'),
          rangeEnd: Buffer.from(end, 'base64'),
        })),
      ]),
    ),
  };
}
