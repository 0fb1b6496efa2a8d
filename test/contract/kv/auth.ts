import { expect } from 'chai';
import type { KvClient } from '../../fixtures/kv/kv-client.ts';
import type { Message } from '../../fixtures/kv/protocol.ts';
import { anonymous, after as endOf, type Tested } from './tested.ts';

/** Accounts: users, roles, permissions of ranges, tokens. The suite switches authentication on and off again. */
export function authBehaviour(t: Tested): void {
  const denied = 'etcdserver: permission denied';
  let root: string;

  const ask = (method: string, request: Message = {}) => t.ask(`Auth/${method}`, request);
  const token = async (name: string, password: string): Promise<string> =>
    (await ask('Authenticate', { name, password }))['token'];
  /** A client that has logged in. */
  const login = async (name: string): Promise<KvClient> => t.another(await token(name, `${name}-secret`));
  const as = async (client: KvClient, method: string, request: Message = {}) =>
    anonymous(await client.call(method, request));

  describe('while it is off', () => {
    it('users can be added, listed and deleted', async () => {
      const revision = String(await t.revision());
      const header = { revision };
      expect(await ask('UserAdd', { name: 'u', password: 'p' })).to.deep.equal({ header });
      await t.refused('FailedPrecondition', 'etcdserver: user name already exists', () =>
        ask('UserAdd', { name: 'u', password: 'p' }),
      );
      await t.refused('InvalidArgument', 'etcdserver: user name is empty', () => ask('UserAdd', { password: 'p' }));
      expect(await ask('UserGet', { name: 'u' })).to.deep.equal({ header });
      expect(await ask('UserList')).to.deep.equal({ header, users: ['u'] });
      expect(await ask('UserChangePassword', { name: 'u', password: 'q' })).to.deep.equal({ header });
      expect(await ask('UserDelete', { name: 'u' })).to.deep.equal({ header });
      expect(await ask('UserList')).to.deep.equal({ header });
    });

    it('what does not exist cannot be changed', async () => {
      const noUser = 'etcdserver: user name not found';
      const noRole = 'etcdserver: role name not found';
      await t.refused('FailedPrecondition', noUser, () => ask('UserGet', { name: 'nobody' }));
      await t.refused('FailedPrecondition', noUser, () => ask('UserDelete', { name: 'nobody' }));
      await t.refused('FailedPrecondition', noUser, () => ask('UserChangePassword', { name: 'nobody', password: 'x' }));
      await t.refused('FailedPrecondition', noUser, () => ask('UserGrantRole', { user: 'nobody', role: 'root' }));
      await t.refused('FailedPrecondition', noUser, () => ask('UserRevokeRole', { name: 'nobody', role: 'root' }));
      await t.refused('FailedPrecondition', noRole, () => ask('RoleGet', { role: 'nothing' }));
      await t.refused('FailedPrecondition', noRole, () => ask('RoleDelete', { role: 'nothing' }));
      await t.refused('FailedPrecondition', noRole, () =>
        ask('RoleGrantPermission', { name: 'nothing', perm: { permType: 'READ', key: 'a' } }),
      );
      await t.refused('FailedPrecondition', noRole, () => ask('RoleRevokePermission', { role: 'nothing', key: 'a' }));
      await ask('UserAdd', { name: 'u', password: 'p' });
      await t.refused('FailedPrecondition', noRole, () => ask('UserGrantRole', { user: 'u', role: 'nothing' }));
      await t.refused('FailedPrecondition', 'etcdserver: role is not granted to the user', () =>
        ask('UserRevokeRole', { name: 'u', role: 'nothing' }),
      );
      await ask('UserDelete', { name: 'u' });
    });

    it('roles hold permissions, which are merged by range', async () => {
      const header = { revision: String(await t.revision()) };
      const grant = (permType: string, key: string, range_end = '') =>
        ask('RoleGrantPermission', { name: 'r', perm: { permType, key, range_end } });
      expect(await ask('RoleAdd', { name: 'r' })).to.deep.equal({ header });
      await t.refused('FailedPrecondition', 'etcdserver: role name already exists', () =>
        ask('RoleAdd', { name: 'r' }),
      );
      await t.refused('InvalidArgument', 'etcdserver: role name is empty', () => ask('RoleAdd'));
      expect(await ask('RoleGet', { role: 'r' })).to.deep.equal({ header });
      expect(await grant('READ', 'b', 'c')).to.deep.equal({ header });
      await grant('WRITE', 'a');
      await grant('READWRITE', 'b', 'c');
      const { perm } = await ask('RoleGet', { role: 'r' });
      expect(perm).to.deep.equal([
        { permType: 'WRITE', key: 'a' },
        { permType: 'READWRITE', key: 'b', range_end: 'c' },
      ]);
      expect(await ask('RoleRevokePermission', { role: 'r', key: 'a' })).to.deep.equal({ header });
      await t.refused('FailedPrecondition', 'etcdserver: permission is not granted to the role', () =>
        ask('RoleRevokePermission', { role: 'r', key: 'a' }),
      );
      expect(await ask('RoleList')).to.deep.equal({ header, roles: ['r'] });
      expect(await ask('RoleDelete', { role: 'r' })).to.deep.equal({ header });
      expect(await ask('RoleList')).to.deep.equal({ header });
    });

    it('a deleted role is taken from its users', async () => {
      const header = { revision: String(await t.revision()) };
      await ask('UserAdd', { name: 'u', password: 'p' });
      for (const name of ['r2', 'r1']) {
        await ask('RoleAdd', { name });
        await ask('UserGrantRole', { user: 'u', role: name });
      }
      expect(await ask('UserGet', { name: 'u' })).to.deep.equal({ header, roles: ['r1', 'r2'] });
      await ask('RoleDelete', { role: 'r1' });
      expect(await ask('UserGet', { name: 'u' })).to.deep.equal({ header, roles: ['r2'] });
      await ask('UserRevokeRole', { name: 'u', role: 'r2' });
      expect(await ask('UserGet', { name: 'u' })).to.deep.equal({ header });
      await ask('RoleDelete', { role: 'r2' });
      await ask('UserDelete', { name: 'u' });
    });

    it('nobody can log in, and it cannot be switched on without root', async () => {
      await t.refused('FailedPrecondition', 'etcdserver: authentication is not enabled', () => token('u', 'p'));
      await t.refused('FailedPrecondition', 'etcdserver: root user does not exist', () => ask('AuthEnable'));
      await ask('UserAdd', { name: 'root', password: 'root-secret' });
      await t.refused('FailedPrecondition', 'etcdserver: root user does not have root role', () => ask('AuthEnable'));
      await ask('UserDelete', { name: 'root' });
    });

    it('a wrong token is refused even so', async () => {
      t.client.token = 'nonsense';
      await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () => t.put('a'));
      await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () => t.range());
      await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () => t.grant(10));
    });
  });

  describe('while it is on', () => {
    const open = 'auth-open/';
    const read = 'auth-read/';

    before(async () => {
      t.client.token = undefined;
      await ask('UserAdd', { name: 'root', password: 'root-secret' });
      await ask('RoleAdd', { name: 'root' });
      await ask('UserGrantRole', { user: 'root', role: 'root' });
      await ask('UserAdd', { name: 'alice', password: 'alice-secret' });
      await ask('UserAdd', { name: 'nobody', password: 'nobody-secret' });
      await ask('RoleAdd', { name: 'app' });
      const perms = [
        { permType: 'READWRITE', key: open, range_end: endOf(open) },
        { permType: 'READ', key: read, range_end: endOf(read) },
        { permType: 'WRITE', key: 'auth-write' },
      ];
      for (const perm of perms) await ask('RoleGrantPermission', { name: 'app', perm });
      await ask('UserGrantRole', { user: 'alice', role: 'app' });
      await ask('AuthEnable');
      root = await token('root', 'root-secret');
    });
    after(async () => {
      t.client.token = await token('root', 'root-secret');
      await ask('AuthDisable');
      t.client.token = undefined;
      for (const name of ['alice', 'nobody', 'root']) await ask('UserDelete', { name });
      for (const role of ['app', 'root']) await ask('RoleDelete', { role });
    });

    it('a call without a token has no user name, one with a wrong token is refused', async () => {
      for (const [method, request] of [
        ['KV/Range', { key: 'a' }],
        ['KV/Put', { key: 'a' }],
        ['KV/DeleteRange', { key: 'a' }],
        ['KV/Txn', { success: [{ request_range: { key: 'a' } }] }],
      ] as const) {
        t.client.token = undefined;
        await t.refused('InvalidArgument', 'etcdserver: user name is empty', () => t.ask(method, request));
        t.client.token = 'nonsense';
        await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () => t.ask(method, request));
        t.client.token = 'nonsense.1';
        await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () => t.ask(method, request));
      }
    });

    it('a wrong name or password is refused alike', async () => {
      const wrong = 'etcdserver: authentication failed, invalid user ID or password';
      await t.refused('InvalidArgument', wrong, () => token('alice', 'wrong'));
      await t.refused('InvalidArgument', wrong, () => token('stranger', 'alice-secret'));
      await t.refused('InvalidArgument', wrong, () => token('', ''));
    });

    it('root may do everything', async () => {
      const client = t.another(root);
      await as(client, 'KV/Put', { key: 'anywhere', value: '1' });
      expect(await as(client, 'KV/DeleteRange', { key: 'anywhere' })).to.have.property('deleted', '1');
      expect((await as(client, 'Auth/UserList'))['users']).to.deep.equal(['alice', 'nobody', 'root']);
    });

    it('a user may do what the permissions of its roles say, and no more', async () => {
      const alice = await login('alice');
      const may = (method: string, request: Message) => as(alice, method, request);
      const mayNot = (method: string, request: Message) =>
        t.refused('PermissionDenied', denied, () => alice.call(method, request));
      await may('KV/Put', { key: `${open}a`, value: '1' });
      await may('KV/Range', { key: open, range_end: endOf(open) });
      await may('KV/Range', { key: `${read}a` });
      await may('KV/Put', { key: 'auth-write' });
      await may('KV/DeleteRange', { key: 'auth-write' });
      await mayNot('KV/Range', { key: 'auth-write' });
      await mayNot('KV/Put', { key: 'auth-write', prev_kv: true });
      await mayNot('KV/DeleteRange', { key: 'auth-write', prev_kv: true });
      await mayNot('KV/Put', { key: `${read}a` });
      await mayNot('KV/DeleteRange', { key: `${read}a` });
      await mayNot('KV/Range', { key: 'elsewhere' });
      await mayNot('KV/Range', { key: open, range_end: `${endOf(open)}x` });
      await mayNot('KV/Range', { key: open, range_end: '\0' });
      await mayNot('KV/Range', { key: '\0', range_end: '\0' });
    });

    it('a transaction needs the permission of every comparison and of both branches', async () => {
      const alice = await login('alice');
      const txn = (request: Message) => () => alice.call('KV/Txn', request);
      const put = (key: string) => ({ request_put: { key } });
      await txn({ compare: [{ key: `${read}a`, target: 'VERSION', version: '0' }], success: [put(`${open}b`)] })();
      await t.refused(
        'PermissionDenied',
        denied,
        txn({ compare: [{ key: 'elsewhere', target: 'VERSION', version: '0' }], success: [put(`${open}b`)] }),
      );
      await t.refused('PermissionDenied', denied, txn({ success: [put('elsewhere')] }));
      await t.refused('PermissionDenied', denied, txn({ failure: [put('elsewhere')] }));
      await t.refused('PermissionDenied', denied, txn({ success: [{ request_range: { key: 'elsewhere' } }] }));
      await t.refused('PermissionDenied', denied, txn({ success: [{ request_delete_range: { key: `${read}a` } }] }));
      await txn({ success: [{ request_txn: { success: [put(`${open}c`)] } }] })();
    });

    it('a user without roles may do nothing with keys', async () => {
      const nobody = await login('nobody');
      await t.refused('PermissionDenied', denied, () => nobody.call('KV/Range', { key: 'a' }));
      await t.refused('PermissionDenied', denied, () => nobody.call('KV/Put', { key: `${open}a` }));
    });

    it('only root may administer', async () => {
      const alice = await login('alice');
      const calls: [string, Message][] = [
        ['Auth/UserAdd', { name: 'x', password: 'x' }],
        ['Auth/UserList', {}],
        ['Auth/UserDelete', { name: 'nobody' }],
        ['Auth/UserChangePassword', { name: 'nobody', password: 'x' }],
        ['Auth/UserGrantRole', { user: 'alice', role: 'root' }],
        ['Auth/RoleAdd', { name: 'x' }],
        ['Auth/RoleGrantPermission', { name: 'app', perm: { permType: 'READ', key: 'x' } }],
        ['Auth/AuthDisable', {}],
      ];
      for (const [method, request] of calls) {
        await t.refused('PermissionDenied', denied, () => alice.call(method, request));
      }
      await t.refused('InvalidArgument', 'etcdserver: user name is empty', () => t.ask('Auth/UserList'));
    });

    it('only root may maintain', async () => {
      const alice = await login('alice');
      for (const method of ['Maintenance/Defragment', 'Maintenance/HashKV']) {
        await t.refused('Unknown', 'auth: permission denied', () => alice.call(method));
        await t.refused('Unknown', 'auth: user name is empty', () => t.ask(method));
        await t.refused('Unknown', 'auth: invalid auth token', () => t.another('nonsense').call(method));
        await t.another(root).call(method);
      }
    });

    it('a user may look at itself and its roles', async () => {
      const alice = await login('alice');
      expect((await as(alice, 'Auth/UserGet', { name: 'alice' }))['roles']).to.deep.equal(['app']);
      expect((await as(alice, 'Auth/RoleGet', { role: 'app' }))['perm']).to.have.length(3);
      await t.refused('PermissionDenied', denied, () => alice.call('Auth/UserGet', { name: 'root' }));
      await t.refused('PermissionDenied', denied, () => alice.call('Auth/RoleGet', { role: 'root' }));
    });

    it('members, status and leases need no token', async () => {
      await t.ask('Cluster/MemberList');
      await t.ask('Maintenance/Status');
      const ID = await t.grant(100);
      expect(await t.ask('Lease/LeaseKeepAlive', { ID })).to.have.property('TTL', '100');
    });

    it('a lease with keys can be revoked only by who may write them', async () => {
      const alice = await login('alice');
      const nobody = await login('nobody');
      const ID = await t.grant(100);
      await alice.call('KV/Put', { key: `${open}leased`, lease: ID });
      await t.refused('PermissionDenied', denied, () => nobody.call('Lease/LeaseRevoke', { ID }));
      await alice.call('Lease/LeaseRevoke', { ID });
      expect(await as(alice, 'KV/Range', { key: `${open}leased` })).to.not.have.property('kvs');
    });

    it('a watch of what may not be read is cancelled, not refused', async () => {
      const header = {
        revision: String(Number((await as(t.another(root), 'KV/Range', { key: 'a' }))['header'].revision)),
      };
      const alice = await login('alice');
      const refusal = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
      const cases: [KvClient, Message, string][] = [
        [alice, { key: 'elsewhere' }, refusal],
        [alice, { key: open, range_end: `${endOf(open)}x` }, refusal],
        [t.another(), { key: open }, 'rpc error: code = InvalidArgument desc = etcdserver: user name is empty'],
        [
          t.another('nonsense'),
          { key: open },
          'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token',
        ],
      ];
      for (const [client, create_request, cancel_reason] of cases) {
        const watch = client.open('Watch/Watch', { create_request });
        expect(anonymous((await watch.next()) ?? {})).to.deep.equal({
          header,
          watch_id: '-1',
          created: true,
          canceled: true,
          cancel_reason,
        });
        watch.close();
      }
    });

    it('a watch of what may be read gets its events', async () => {
      const alice = await login('alice');
      const watch = alice.open('Watch/Watch', { create_request: { key: open, range_end: endOf(open) } });
      expect(await watch.next()).to.include({ created: true });
      await alice.call('KV/Put', { key: `${open}watched`, value: '1' });
      expect((await watch.next())?.['events']).to.have.length(1);
      watch.close();
    });

    it('a changed password ends the user’s tokens, a deleted user too', async () => {
      t.client.token = root;
      await ask('UserAdd', { name: 'brief', password: 'brief-secret' });
      await ask('UserGrantRole', { user: 'brief', role: 'app' });
      const brief = await login('brief');
      await brief.call('KV/Range', { key: `${open}a` });
      await ask('UserChangePassword', { name: 'brief', password: 'other' });
      await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () =>
        brief.call('KV/Range', { key: `${open}a` }),
      );
      const again = t.another(await token('brief', 'other'));
      await again.call('KV/Range', { key: `${open}a` });
      await ask('UserDelete', { name: 'brief' });
      await t.refused('Unauthenticated', 'etcdserver: invalid auth token', () =>
        again.call('KV/Range', { key: `${open}a` }),
      );
    });

    it('a role that is granted or taken counts at once', async () => {
      t.client.token = root;
      const nobody = await login('nobody');
      await t.refused('PermissionDenied', denied, () => nobody.call('KV/Range', { key: `${open}a` }));
      await ask('UserGrantRole', { user: 'nobody', role: 'app' });
      const now = await login('nobody');
      await now.call('KV/Range', { key: `${open}a` });
      await ask('UserRevokeRole', { name: 'nobody', role: 'app' });
      const later = await login('nobody');
      await t.refused('PermissionDenied', denied, () => later.call('KV/Range', { key: `${open}a` }));
    });

    it('root cannot be deleted, nor lose its role', async () => {
      t.client.token = root;
      await t.refused('InvalidArgument', 'etcdserver: invalid auth management', () =>
        ask('UserDelete', { name: 'root' }),
      );
      await t.refused('InvalidArgument', 'etcdserver: invalid auth management', () =>
        ask('RoleDelete', { role: 'root' }),
      );
      await t.refused('InvalidArgument', 'etcdserver: invalid auth management', () =>
        ask('UserRevokeRole', { name: 'root', role: 'root' }),
      );
    });

    it('can be switched on twice', async () => {
      t.client.token = root;
      await ask('AuthEnable');
    });
  });
}
