import { bool, bytes, embedded, enumeration, message, repeated, string, uint64 } from '../wire/schema.ts';
import { header } from './header.ts';

export const permissionType = message('Permission', {
  permType: enumeration(1, 'authpb.Permission_Type', ['READ', 'WRITE', 'READWRITE'], 'permType'),
  key: bytes(2),
  rangeEnd: bytes(3),
});

export const authStatusResponseType = message('AuthStatusResponse', {
  ...header,
  enabled: bool(2),
  authRevision: uint64(3, 'authRevision'),
});

export const nameAndPasswordType = message('AuthenticateRequest', { name: string(1), password: string(2) });
export const authenticateResponseType = message('AuthenticateResponse', { ...header, token: string(2) });

const userAddOptionsType = message('UserAddOptions', { noPassword: bool(1) });
export const userAddRequestType = message('AuthUserAddRequest', {
  name: string(1),
  password: string(2),
  options: embedded(3, () => userAddOptionsType),
});

/** Of a user, or of a role that is made. */
export const nameType = message('AuthUserGetRequest', { name: string(1) });
export const roleNameType = message('AuthRoleGetRequest', { role: string(1) });
export const userGrantRequestType = message('AuthUserGrantRoleRequest', { user: string(1), role: string(2) });
export const userRevokeRequestType = message('AuthUserRevokeRoleRequest', { name: string(1), role: string(2) });

export const rolesResponseType = message('AuthUserGetResponse', { ...header, roles: repeated(string(2)) });
export const usersResponseType = message('AuthUserListResponse', { ...header, users: repeated(string(2)) });

export const roleGetResponseType = message('AuthRoleGetResponse', {
  ...header,
  perm: repeated(embedded(2, () => permissionType)),
});

export const roleGrantRequestType = message('AuthRoleGrantPermissionRequest', {
  name: string(1),
  perm: embedded(2, () => permissionType),
});

export const roleRevokeRequestType = message('AuthRoleRevokePermissionRequest', {
  role: string(1),
  key: bytes(2),
  rangeEnd: bytes(3),
});
