import type { Backend } from '../backend.ts';
import { KvError } from '../kv-error.ts';
import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from '../messages.ts';
import type { AccountStore } from './account-store.ts';
import { type Access, isAdmin, isPermitted, type KeyRange } from './permitted.ts';
import type { Tokens } from './tokens.ts';

/** How a caller says who he is. */
export interface Credentials {
  readonly token: string | undefined;
  readonly certificateName: string | undefined;
}

const noEnd = Buffer.alloc(0);

/** Asks who calls and whether he may. While auth is off, everybody may do everything. */
export class Gate {
  readonly #accounts: AccountStore;
  readonly #tokens: Tokens;

  constructor(accounts: AccountStore, tokens: Tokens) {
    this.#accounts = accounts;
    this.#tokens = tokens;
  }

  get isEnabled(): boolean {
    return this.#accounts.accounts.enabled;
  }

  /** Whether there is anything to ask: most calls on most stores are nobody's. */
  concerns({ token }: Credentials): boolean {
    return token !== undefined || this.isEnabled;
  }

  /** Refuses tokens that are good for nothing, even while auth is off; who shows none is nobody. */
  identify({ token, certificateName }: Credentials): string | undefined {
    return token === undefined ? certificateName : this.#bearerOf(token);
  }

  allow(credentials: Credentials, access: Access, range: KeyRange): void {
    const user = this.identify(credentials);
    if (this.isEnabled) this.#require(user, access, range);
  }

  /** Why a caller may not, if he may not. */
  refusalOf(credentials: Credentials, access: Access, range: KeyRange): KvError | undefined {
    try {
      this.allow(credentials, access, range);
      return undefined;
    } catch (error) {
      if (error instanceof KvError) return error;
      throw error;
    }
  }

  async allowPut(credentials: Credentials, request: PutRequest, backend: Backend): Promise<void> {
    const user = this.identify(credentials);
    if (!this.isEnabled) return;
    this.#requirePut(user, request);
    await this.#requireLeases(user, [request.lease], backend);
  }

  allowDeleteRange(credentials: Credentials, request: DeleteRangeRequest): void {
    const user = this.identify(credentials);
    if (this.isEnabled) this.#requireDeleteRange(user, request);
  }

  async allowTxn(credentials: Credentials, request: TxnRequest, backend: Backend): Promise<void> {
    const user = this.identify(credentials);
    if (!this.isEnabled) return;
    const leases: bigint[] = [];
    this.#requireTxn(user, request, leases);
    await this.#requireLeases(user, leases, backend);
  }

  /** A lease is as good as the keys that live and die with it. */
  async allowLease(credentials: Credentials, access: Access, id: bigint, backend: Backend): Promise<void> {
    const user = this.identify(credentials);
    if (!this.isEnabled) return;
    const { keys } = await backend.leaseTimeToLive(id, true);
    for (const key of keys) this.#require(user, access, { key, rangeEnd: noEnd });
  }

  /** Refuses everybody who has not the root role. */
  requireAdmin(credentials: Credentials): void {
    this.requireAdminOr(credentials, () => false);
  }

  /** Refuses users who are not root and of whom this is not true. */
  requireAdminOr(credentials: Credentials, isOwn: (user: string) => boolean): void {
    const identified = this.identify(credentials);
    if (!this.isEnabled) return;
    const user = named(identified);
    if (!isAdmin(this.#accounts.accounts, user) && !isOwn(user)) throw denied();
  }

  #bearerOf(token: string): string {
    const bearer = this.#tokens.bearer(token);
    if (!bearer) throw new KvError('Unauthenticated', 'etcdserver: invalid auth token');
    const { enabled, revision } = this.#accounts.accounts;
    if (enabled && bearer.revision !== undefined && bearer.revision < revision) {
      throw new KvError('InvalidArgument', 'etcdserver: revision of auth store is old');
    }
    return bearer.user;
  }

  #require(user: string | undefined, access: Access, range: KeyRange): void {
    if (!isPermitted(this.#accounts.accounts, named(user), access, range)) throw denied();
  }

  #requirePut(user: string | undefined, { key, prevKv }: PutRequest): void {
    this.#require(user, 'WRITE', { key, rangeEnd: noEnd });
    if (prevKv) this.#require(user, 'READ', { key, rangeEnd: noEnd });
  }

  #requireDeleteRange(user: string | undefined, request: DeleteRangeRequest): void {
    this.#require(user, 'WRITE', request);
    if (request.prevKv) this.#require(user, 'READ', request);
  }

  #requireTxn(user: string | undefined, { compare, success, failure }: TxnRequest, leases: bigint[]): void {
    for (const each of compare) this.#require(user, 'READ', each);
    for (const op of [...success, ...failure]) this.#requireOp(user, op, leases);
  }

  #requireOp(user: string | undefined, op: RequestOp, leases: bigint[]): void {
    switch (op.kind) {
      case 'range':
        this.#require(user, 'READ', op.request);
        return;
      case 'put':
        leases.push(op.request.lease);
        this.#requirePut(user, op.request);
        return;
      case 'deleteRange':
        this.#requireDeleteRange(user, op.request);
        return;
      case 'txn':
        this.#requireTxn(user, op.request, leases);
        return;
      case 'none':
        return;
    }
  }

  /** Who puts a key on a lease shares the fate of all keys on it. */
  async #requireLeases(user: string | undefined, leases: readonly bigint[], backend: Backend): Promise<void> {
    for (const lease of new Set(leases)) {
      if (lease === 0n || (user !== undefined && isAdmin(this.#accounts.accounts, user))) continue;
      const { keys } = await backend.leaseTimeToLive(lease, true);
      for (const key of keys) this.#require(user, 'WRITE', { key, rangeEnd: noEnd });
    }
  }
}

function named(user: string | undefined): string {
  if (user === undefined) throw new KvError('InvalidArgument', 'etcdserver: user name is empty');
  return user;
}

const denied = (): KvError => new KvError('PermissionDenied', 'etcdserver: permission denied');
