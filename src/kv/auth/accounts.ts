import { KvError } from '../kv-error.ts';

/** Users, roles and what roles may do: all that etcd's auth knows, as plain data. */
export interface Accounts {
  readonly enabled: boolean;
  /** Grows with every change; tokens that are signed with an older one are refused. */
  readonly revision: number;
  readonly users: ReadonlyMap<string, User>;
  readonly roles: ReadonlyMap<string, readonly Permission[]>;
}

export interface User {
  /** Undefined: may only come with a certificate. */
  readonly passwordHash: string | undefined;
  readonly roles: readonly string[];
}

export interface Permission {
  readonly permType: 'READ' | 'WRITE' | 'READWRITE';
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
}

export const root = 'root';

export const noAccounts: Accounts = { enabled: false, revision: 1, users: new Map(), roles: new Map() };

/** A change of accounts: returns what is true afterwards, or refuses with etcd's words. */
export type Change = (accounts: Accounts) => Accounts;

export const enable: Change = (accounts) => {
  if (accounts.enabled) return accounts;
  const user = accounts.users.get(root);
  if (!user) throw new KvError('FailedPrecondition', 'etcdserver: root user does not exist');
  if (!user.roles.includes(root)) {
    throw new KvError('FailedPrecondition', 'etcdserver: root user does not have root role');
  }
  return { ...accounts, enabled: true };
};

export const disable: Change = (accounts) =>
  accounts.enabled ? { ...accounts, enabled: false, revision: accounts.revision + 1 } : accounts;

export const addUser =
  (name: string, passwordHash: string | undefined): Change =>
  (accounts) => {
    if (name === '') throw new KvError('InvalidArgument', 'etcdserver: user name is empty');
    if (accounts.users.has(name)) {
      throw new KvError('FailedPrecondition', 'etcdserver: user name already exists');
    }
    return withUser(accounts, name, { passwordHash, roles: [] });
  };

export const deleteUser =
  (name: string): Change =>
  (accounts) => {
    if (accounts.enabled && name === root) throw rootIsNeeded();
    userOf(accounts, name);
    const users = new Map(accounts.users);
    users.delete(name);
    return { ...accounts, users, revision: accounts.revision + 1 };
  };

export const changePassword =
  (name: string, passwordHash: string): Change =>
  (accounts) =>
    withUser(accounts, name, { ...userOf(accounts, name), passwordHash });

export const grantRole =
  (name: string, role: string): Change =>
  (accounts) => {
    const user = userOf(accounts, name);
    if (role !== root) permissionsOf(accounts, role);
    if (user.roles.includes(role)) return accounts;
    return withUser(accounts, name, { ...user, roles: [...user.roles, role].sort() });
  };

export const revokeRole =
  (name: string, role: string): Change =>
  (accounts) => {
    if (accounts.enabled && name === root && role === root) throw rootIsNeeded();
    const user = userOf(accounts, name);
    if (!user.roles.includes(role)) {
      throw new KvError('FailedPrecondition', 'etcdserver: role is not granted to the user');
    }
    return withUser(accounts, name, { ...user, roles: user.roles.filter((each) => each !== role) });
  };

export const addRole =
  (role: string): Change =>
  (accounts) => {
    if (role === '') throw new KvError('InvalidArgument', 'etcdserver: role name is empty');
    if (accounts.roles.has(role)) throw new KvError('FailedPrecondition', 'etcdserver: role name already exists');
    return withRole(accounts, role, []);
  };

export const deleteRole =
  (role: string): Change =>
  (accounts) => {
    if (accounts.enabled && role === root) throw rootIsNeeded();
    permissionsOf(accounts, role);
    const roles = new Map(accounts.roles);
    roles.delete(role);
    const users = new Map(accounts.users);
    for (const [name, user] of users) users.set(name, { ...user, roles: user.roles.filter((each) => each !== role) });
    return { ...accounts, roles, users, revision: accounts.revision + 1 };
  };

export const grantPermission =
  (role: string, permission: Permission): Change =>
  (accounts) => {
    const others = permissionsOf(accounts, role).filter((each) => !isSameRange(each, permission));
    return withRole(
      accounts,
      role,
      [...others, permission].sort((a, b) => a.key.compare(b.key)),
    );
  };

export const revokePermission =
  (role: string, range: Pick<Permission, 'key' | 'rangeEnd'>): Change =>
  (accounts) => {
    const permissions = permissionsOf(accounts, role);
    const others = permissions.filter((each) => !isSameRange(each, range));
    if (others.length === permissions.length) {
      throw new KvError('FailedPrecondition', 'etcdserver: permission is not granted to the role');
    }
    return withRole(accounts, role, others);
  };

/** Whose tokens are worth nothing after a change: of nobody, of these users, or of all. */
export function deposed(before: Accounts, after: Accounts): 'all' | readonly string[] {
  if (before.enabled && !after.enabled) return 'all';
  return [...before.users]
    .filter(([name, user]) => after.users.get(name)?.passwordHash !== user.passwordHash)
    .map(([name]) => name);
}

export function userOf({ users }: Accounts, name: string): User {
  const user = users.get(name);
  if (!user) throw new KvError('FailedPrecondition', 'etcdserver: user name not found');
  return user;
}

export function permissionsOf({ roles }: Accounts, role: string): readonly Permission[] {
  const permissions = roles.get(role);
  if (!permissions) throw new KvError('FailedPrecondition', 'etcdserver: role name not found');
  return permissions;
}

const withUser = (accounts: Accounts, name: string, user: User): Accounts => ({
  ...accounts,
  users: new Map(accounts.users).set(name, user),
  revision: accounts.revision + 1,
});

const withRole = (accounts: Accounts, role: string, permissions: readonly Permission[]): Accounts => ({
  ...accounts,
  roles: new Map(accounts.roles).set(role, permissions),
  revision: accounts.revision + 1,
});

const isSameRange = (a: Pick<Permission, 'key' | 'rangeEnd'>, b: Pick<Permission, 'key' | 'rangeEnd'>): boolean =>
  a.key.equals(b.key) && a.rangeEnd.equals(b.rangeEnd);

const rootIsNeeded = (): KvError => new KvError('InvalidArgument', 'etcdserver: invalid auth management');
