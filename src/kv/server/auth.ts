import type { AccountStore } from '../auth/account-store.ts';
import * as accounts from '../auth/accounts.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { hashPassword } from '../auth/password.ts';
import { KvError } from '../kv-error.ts';
import * as protocol from '../protocol/auth.ts';
import type { Header } from '../protocol/header.ts';
import { doneType, nothingType } from '../protocol/plain.ts';
import type { MessageType } from '../wire/schema.ts';
import { type Caller, type Method, method } from './method.ts';
import type { ServerParts } from './parts.ts';

/** What the Auth service works with besides. */
export interface AuthParts extends ServerParts {
  readonly accounts: AccountStore;
  readonly authenticator: Authenticator;
}

/** Auth, all of it. */
export function auth(parts: AuthParts): readonly Method[] {
  const { backend, identity, gate, authenticator } = parts;
  const store = parts.accounts;
  const header = (): Header => identity.header(backend.revision);

  function unary<Request, Response extends { readonly header: Header | undefined }>(
    name: string,
    gateway: readonly string[],
    request: MessageType<Request>,
    response: MessageType<Response>,
    handle: (request: Request, caller: Caller) => Promise<Omit<Response, 'header'>> | Omit<Response, 'header'>,
  ): Method {
    return method({
      kind: 'unary',
      path: `/etcdserverpb.Auth/${name}`,
      gateway,
      request,
      response,
      handle: async (asked, caller) => ({ ...(await handle(asked, caller)), header: header() }) as Response,
    });
  }

  /** A change that only root may make while auth is on. */
  function change<Request>(
    name: string,
    gateway: string,
    request: MessageType<Request>,
    changeOf: (request: Request) => accounts.Change | Promise<accounts.Change>,
  ): Method {
    return unary(name, [`/auth/${gateway}`], request, doneType, async (asked, caller) => {
      gate.requireAdmin(caller);
      await store.change(await changeOf(asked));
      return {};
    });
  }

  return [
    change('AuthEnable', 'enable', nothingType, () => accounts.enable),
    change('AuthDisable', 'disable', nothingType, () => accounts.disable),
    unary('AuthStatus', ['/auth/status'], nothingType, protocol.authStatusResponseType, (_, caller) => {
      gate.requireAdmin(caller);
      const { enabled, revision } = store.accounts;
      return { enabled, authRevision: BigInt(revision) };
    }),
    unary(
      'Authenticate',
      ['/auth/authenticate'],
      protocol.nameAndPasswordType,
      protocol.authenticateResponseType,
      async ({ name, password }) => ({ token: await authenticator.authenticate(name, password) }),
    ),
    change('UserAdd', 'user/add', protocol.userAddRequestType, async ({ name, password, options }) => {
      if (name === '') return accounts.addUser(name, undefined);
      return accounts.addUser(name, options?.noPassword ? undefined : await hashPassword(password));
    }),
    unary('UserGet', ['/auth/user/get'], protocol.nameType, protocol.rolesResponseType, ({ name }, caller) => {
      gate.requireAdminOr(caller, (user) => user === name);
      return { roles: accounts.userOf(store.accounts, name).roles };
    }),
    unary('UserList', ['/auth/user/list'], nothingType, protocol.usersResponseType, (_, caller) => {
      gate.requireAdmin(caller);
      return { users: [...store.accounts.users.keys()].sort() };
    }),
    change('UserDelete', 'user/delete', protocol.nameType, ({ name }) => accounts.deleteUser(name)),
    change('UserChangePassword', 'user/changepw', protocol.nameAndPasswordType, async ({ name, password }) =>
      accounts.changePassword(name, await hashPassword(password)),
    ),
    change('UserGrantRole', 'user/grant', protocol.userGrantRequestType, ({ user, role }) =>
      accounts.grantRole(user, role),
    ),
    change('UserRevokeRole', 'user/revoke', protocol.userRevokeRequestType, ({ name, role }) =>
      accounts.revokeRole(name, role),
    ),
    change('RoleAdd', 'role/add', protocol.nameType, ({ name }) => accounts.addRole(name)),
    unary('RoleGet', ['/auth/role/get'], protocol.roleNameType, protocol.roleGetResponseType, ({ role }, caller) => {
      gate.requireAdminOr(caller, (user) => store.accounts.users.get(user)?.roles.includes(role) === true);
      return { perm: accounts.permissionsOf(store.accounts, role) };
    }),
    unary('RoleList', ['/auth/role/list'], nothingType, protocol.rolesResponseType, (_, caller) => {
      gate.requireAdmin(caller);
      return { roles: [...store.accounts.roles.keys()].sort() };
    }),
    change('RoleDelete', 'role/delete', protocol.roleNameType, ({ role }) => accounts.deleteRole(role)),
    change('RoleGrantPermission', 'role/grant', protocol.roleGrantRequestType, ({ name, perm }) => {
      if (!perm) throw new KvError('InvalidArgument', 'etcdserver: permission not given');
      return accounts.grantPermission(name, perm);
    }),
    change('RoleRevokePermission', 'role/revoke', protocol.roleRevokeRequestType, ({ role, key, rangeEnd }) =>
      accounts.revokePermission(role, { key, rangeEnd }),
    ),
  ];
}
