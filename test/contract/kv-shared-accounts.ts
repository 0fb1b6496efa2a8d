import { expect } from 'chai';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import type { Message } from '../fixtures/kv/protocol.ts';
import { until } from '../fixtures/until.ts';
import type { KvServer } from './kv-behaviour.ts';

/** A server, as one account sees it. */
class Seen {
  readonly #client: GrpcClient;

  constructor(server: KvServer) {
    this.#client = new GrpcClient(server.endpoint);
  }

  call(method: string, request: Message = {}): Promise<Message> {
    return this.#client.call(method, request);
  }

  async login(name: string, password: string): Promise<void> {
    this.#client.token = undefined;
    this.#client.token = (await this.call('Auth/Authenticate', { name, password }))['token'];
  }

  /** What a call is refused with; nothing if it is not. */
  async refusal(method: string, request: Message = {}): Promise<string> {
    return this.call(method, request).then(
      () => '',
      (error: Error) => error.message,
    );
  }

  close(): void {
    this.#client.close();
  }
}

/** What two servers on one database tell each other of accounts and alarms. */
export function kvSharesAccounts(start: () => Promise<readonly KvServer[]>, loseNotices?: () => Promise<void>): void {
  let servers: readonly KvServer[];
  let seen: Seen[];
  let one: Seen;
  let other: Seen;
  const as = async (server: number, name: string, password: string): Promise<Seen> => {
    const client = new Seen(servers[server] as KvServer);
    seen.push(client);
    await client.login(name, password);
    return client;
  };
  const put = (key: string) => ['KV/Put', { key, value: '1' }] as const;

  before(async () => {
    seen = [];
    servers = await start();
    [one, other] = servers.map((server) => new Seen(server)) as [Seen, Seen];
    seen.push(one, other);
    const rule = { permType: 'READWRITE', key: 'app/', range_end: 'app0' };
    await one.call('Auth/UserAdd', { name: 'root', password: 'root-secret' });
    await other.call('Auth/RoleAdd', { name: 'root' });
    await one.call('Auth/UserGrantRole', { user: 'root', role: 'root' });
    await other.call('Auth/UserAdd', { name: 'app', password: 'word' });
    await one.call('Auth/RoleAdd', { name: 'app' });
    await other.call('Auth/RoleGrantPermission', { name: 'app', perm: rule });
    await one.call('Auth/UserGrantRole', { user: 'app', role: 'app' });
  });
  after(async () => {
    for (const client of seen ?? []) client.close();
    await Promise.all((servers ?? []).map((server) => server.stop()));
  });

  it('auth that is enabled on one is enforced by the other', async () => {
    await one.call('Auth/AuthEnable');
    await until('refused', async () => (await other.refusal(...put('app/a'))) === 'etcdserver: user name is empty');
    await one.login('root', 'root-secret');
    await other.login('root', 'root-secret');
  });

  it('a role that is revoked, and a password that is changed, on one are worth nothing on the other', async () => {
    const app = await as(1, 'app', 'word');
    await app.call(...put('app/a'));
    await one.call('Auth/UserRevokeRole', { name: 'app', role: 'app' });
    await until('denied', async () => (await app.refusal(...put('app/a'))) === 'etcdserver: permission denied');
    await one.call('Auth/UserGrantRole', { user: 'app', role: 'app' });
    await until('allowed', async () => (await app.refusal(...put('app/a'))) === '');

    await one.call('Auth/UserChangePassword', { name: 'app', password: 'new' });
    await until('token', async () => (await app.refusal(...put('app/a'))) === 'etcdserver: invalid auth token');
    const refused = await other.refusal('Auth/Authenticate', { name: 'app', password: 'word' });
    expect(refused).to.equal('etcdserver: authentication failed, invalid user ID or password');
    await (await as(1, 'app', 'new')).call(...put('app/a'));
  });

  it('changes that both make at the same moment are all there', async () => {
    const names = Array.from({ length: 20 }, (_, n) => `user-${String(n).padStart(2, '0')}`);
    const add = (name: string, n: number) =>
      [one, other][n % 2]?.call('Auth/UserAdd', { name, options: { no_password: true } });
    await Promise.all(names.map(add));
    for (const server of [one, other]) {
      await until('all users', async () => (await server.call('Auth/UserList'))['users'].length === 22);
    }
    const deleteUser = (name: string, n: number) => [other, one][n % 2]?.call('Auth/UserDelete', { name });
    await Promise.all(names.map(deleteUser));
    for (const server of [one, other]) {
      await until('two users', async () => (await server.call('Auth/UserList'))['users'].length === 2);
    }
  });

  it('an alarm that is raised on one stops the other, until it is disarmed on either', async () => {
    const member = (await one.call('Cluster/MemberList'))['members'][0].ID;
    const alarm = (action: string) => ({ action, memberID: member, alarm: 'NOSPACE' });
    await one.call('Maintenance/Alarm', alarm('ACTIVATE'));
    await until('stopped', async () => (await other.refusal(...put('x'))).includes('database space exceeded'));
    await other.call('Maintenance/Alarm', alarm('DEACTIVATE'));
    await until('going on', async () => (await one.refusal(...put('x'))) === '');
  });

  it(`a user who is deleted on one is nobody on the other${loseNotices ? ', although the notice was lost' : ''}`, async () => {
    const app = await as(1, 'app', 'new');
    await loseNotices?.();
    await one.call('Auth/UserDelete', { name: 'app' });
    await until('token', async () => (await app.refusal(...put('app/a'))) === 'etcdserver: invalid auth token');
  });

  it('auth that is disabled on one is off on the other', async () => {
    await one.call('Auth/AuthDisable');
    const nobody = new Seen(servers[1] as KvServer);
    seen.push(nobody);
    await until('off', async () => (await nobody.refusal(...put('x'))) === '');
  });
}
