import { KvError } from '../kv-error.ts';
import type { AccountStore } from './account-store.ts';
import { hashPassword, isPassword } from './password.ts';
import type { Tokens } from './tokens.ts';

/** Turns a name and a password into a token. */
export class Authenticator {
  readonly #accounts: AccountStore;
  readonly #tokens: Tokens;
  #decoy: Promise<string> | undefined;

  constructor(accounts: AccountStore, tokens: Tokens) {
    this.#accounts = accounts;
    this.#tokens = tokens;
  }

  async authenticate(name: string, password: string): Promise<string> {
    const { enabled, revision, users } = this.#accounts.accounts;
    if (!enabled) throw new KvError('FailedPrecondition', 'etcdserver: authentication is not enabled');
    const user = users.get(name);
    const kept = user?.passwordHash;
    if (user && kept === undefined) {
      throw new KvError('Unknown', 'auth: authentication failed, password was given for no password user');
    }
    // Takes as long for a user who is not there: nobody learns names by the clock.
    this.#decoy ??= hashPassword('');
    const isRight = await isPassword(password, kept ?? (await this.#decoy));
    if (kept === undefined || !isRight) {
      throw new KvError('InvalidArgument', 'etcdserver: authentication failed, invalid user ID or password');
    }
    return this.#tokens.issue(name, revision);
  }
}
