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

  allow(credentials: Credentials, access: Access, range: KeyRange): void {
    if (this.isEnabled) this.#require(this.#user(credentials), access, range);
  }

  /** Why a caller may not, if he may not. */
  refusalOf(credentials: Credentials, access: Access, range: KeyRange): string | undefined {
    try {
      this.allow(credentials, access, range);
      return undefined;
    } catch (error) {
      if (error instanceof KvError) return error.message;
      throw error;
    }
  }

  async allowPut(credentials: Credentials, request: PutRequest, backend: Backend): Promise<void> {
    if (!this.isEnabled) return;
    const user = this.#user(credentials);
    this.#requirePut(user, request);
    await this.#requireLeases(user, [request.lease], backend);
  }

  allowDeleteRange(credentials: Credentials, request: DeleteRangeRequest): void {
    if (this.isEnabled) this.#requireDeleteRange(this.#user(credentials), request);
  }

  async allowTxn(credentials: Credentials, request: TxnRequest, backend: Backend): Promise<void> {
    if (!this.isEnabled) return;
    const user = this.#user(credentials);
    const leases: bigint[] = [];
    this.#requireTxn(user, request, leases);
    await this.#requireLeases(user, leases, backend);
  }

  /** A lease is as good as the keys that live and die with it. */
  async allowLease(credentials: Credentials, access: Access, id: bigint, backend: Backend): Promise<void> {
    if (!this.isEnabled) return;
    const { keys } = await backend.leaseTimeToLive(id, true);
    if (keys.length === 0) return;
    const user = this.#user(credentials);
    for (const key of keys) this.#require(user, access, { key, rangeEnd: noEnd });
  }

  /** Refuses everybody who has not the root role; returns who it is. */
  requireAdmin(credentials: Credentials): void {
    if (!this.isEnabled) return;
    const user = this.#user(credentials);
    if (!isAdmin(this.#accounts.accounts, user)) throw denied();
  }

  /** Refuses users who are not root and of whom this is not true. */
  requireAdminOr(credentials: Credentials, isOwn: (user: string) => boolean): void {
    if (!this.isEnabled) return;
    const user = this.#user(credentials);
    if (!isAdmin(this.#accounts.accounts, user) && !isOwn(user)) throw denied();
  }

  #user({ token, certificateName }: Credentials): string {
    const { revision } = this.#accounts.accounts;
    if (token !== undefined) {
      const bearer = this.#tokens.bearer(token);
      if (!bearer) throw new KvError('Unauthenticated', 'etcdserver: invalid auth token');
      if (bearer.revision !== undefined && bearer.revision < revision) {
        throw new KvError('InvalidArgument', 'etcdserver: revision of auth store is old');
      }
      return bearer.user;
    }
    if (certificateName !== undefined) return certificateName;
    throw new KvError('InvalidArgument', 'etcdserver: user name is empty');
  }

  #require(user: string, access: Access, range: KeyRange): void {
    if (!isPermitted(this.#accounts.accounts, user, access, range)) throw denied();
  }

  #requirePut(user: string, { key, prevKv }: PutRequest): void {
    this.#require(user, 'WRITE', { key, rangeEnd: noEnd });
    if (prevKv) this.#require(user, 'READ', { key, rangeEnd: noEnd });
  }

  #requireDeleteRange(user: string, request: DeleteRangeRequest): void {
    this.#require(user, 'WRITE', request);
    if (request.prevKv) this.#require(user, 'READ', request);
  }

  #requireTxn(user: string, { compare, success, failure }: TxnRequest, leases: bigint[]): void {
    for (const each of compare) this.#require(user, 'READ', each);
    for (const op of [...success, ...failure]) this.#requireOp(user, op, leases);
  }

  #requireOp(user: string, op: RequestOp, leases: bigint[]): void {
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
  async #requireLeases(user: string, leases: readonly bigint[], backend: Backend): Promise<void> {
    if (isAdmin(this.#accounts.accounts, user)) return;
    for (const lease of new Set(leases)) {
      if (lease === 0n) continue;
      const { keys } = await backend.leaseTimeToLive(lease, true);
      for (const key of keys) this.#require(user, 'WRITE', { key, rangeEnd: noEnd });
    }
  }
}

const denied = (): KvError => new KvError('PermissionDenied', 'etcdserver: permission denied');
