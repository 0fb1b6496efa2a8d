/** Whom a token stands for. */
export interface Bearer {
  readonly user: string;
  /** Of the accounts, when the token was made; undefined where tokens do not outlive a change. */
  readonly revision: number | undefined;
}

/** How users are remembered between their password and their next call. */
export interface Tokens {
  issue(user: string, revision: number): string;
  bearer(token: string): Bearer | undefined;
  /** The user's tokens are worth nothing any more, as far as that can be helped. */
  forget(user: string): void;
  forgetAll(): void;
}
