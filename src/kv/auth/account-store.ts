import type { Backend } from '../backend.ts';
import { type Accounts, type Change, noAccounts, type Permission } from './accounts.ts';

const name = 'accounts';

interface Document {
  readonly enabled: boolean;
  readonly revision: number;
  readonly users: Readonly<Record<string, { readonly hash?: string; readonly roles: readonly string[] }>>;
  readonly roles: Readonly<Record<string, readonly (readonly [Permission['permType'], string, string])[]>>;
}

/** Told of every change, whoever made it. */
export type OnAccountsChanged = (before: Accounts, after: Accounts) => void;

/**
 * Accounts in memory, and in the store as one document: they are few, and read on every call. Other servers on the same
 * data may change them: so a change is decided on what is kept, and `load` is called again when they did.
 */
export class AccountStore {
  readonly #backend: Backend;
  readonly #onChanged: OnAccountsChanged;
  #accounts = noAccounts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend, onChanged: OnAccountsChanged) {
    this.#backend = backend;
    this.#onChanged = onChanged;
  }

  get accounts(): Accounts {
    return this.#accounts;
  }

  load(): Promise<void> {
    return this.#inTurn(async () => {
      const kept = await this.#backend.getMeta(name);
      this.#set(kept ? parse(kept) : noAccounts);
    });
  }

  /** Changes come one after the other; each is true only once it is kept. */
  change(change: Change): Promise<void> {
    return this.#inTurn(async () => {
      let changed = this.#accounts;
      await this.#backend.changeMeta(name, (kept) => {
        const accounts = kept ? parse(kept) : noAccounts;
        changed = change(accounts);
        return changed === accounts ? kept : print(changed);
      });
      this.#set(changed);
    });
  }

  #set(accounts: Accounts): void {
    const before = this.#accounts;
    this.#accounts = accounts;
    this.#onChanged(before, accounts);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
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
