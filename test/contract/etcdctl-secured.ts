import { expect } from 'chai';
import { type Certificates, makeCertificates } from '../fixtures/certificates.ts';
import { Etcdctl } from '../fixtures/etcdctl.ts';
import { randomLoopback } from '../fixtures/free-port.ts';
import type { KvServer } from './kv-behaviour.ts';

/** What operators do with etcdctl on a store behind TLS and accounts, and what it says when they do it wrongly. */
export function etcdctlWorksSecured(start: (host: string, tls: Certificates) => Promise<KvServer>): void {
  let certificates: Certificates;
  let server: KvServer;
  let tls: string[];
  let anybody: Etcdctl;
  let root: Etcdctl;
  let app: Etcdctl;

  before(async () => {
    const host = randomLoopback();
    certificates = await makeCertificates(host);
    server = await start(host, certificates);
    const { caFile, certFile, keyFile } = certificates;
    tls = ['--cacert', caFile, '--cert', certFile, '--key', keyFile];
    anybody = new Etcdctl(server.endpoint, tls);
    root = anybody.with('--user', 'root:secret');
    app = anybody.with('--user', 'app:word');
    for (const command of [
      ['user', 'add', 'root:secret'],
      ['role', 'add', 'root'],
      ['user', 'grant-role', 'root', 'root'],
      ['user', 'add', 'app:word'],
      ['user', 'add', 'silent', '--no-password'],
      ['role', 'add', 'app'],
      ['role', 'grant-permission', 'app', 'readwrite', 'app/', '--prefix'],
      ['user', 'grant-role', 'app', 'app'],
      ['auth', 'enable'],
    ]) {
      await anybody.ok(command);
    }
  });
  after(async () => {
    anybody?.stop();
    await server?.stop();
    await certificates?.remove();
  });

  for (const form of ['https://HOST:PORT', 'HOST:PORT']) {
    it(`endpoint status, hashkv, health and defrag at ${form}`, async () => {
      const { host, origin } = new URL(server.endpoint);
      const address = form === 'HOST:PORT' ? host : origin;
      const at = new Etcdctl(address, [...tls, '--user', 'root:secret']);
      expect(await at.ok(['endpoint', 'status'])).to.match(new RegExp(`^${address}, [0-9a-f]+, 3\\.`));
      expect(await at.ok(['endpoint', 'hashkv'])).to.match(new RegExp(`^${address}, \\d+\n$`));
      const told = async (...args: string[]) => {
        const { code, out, err } = await at.run(args);
        expect(code, err).to.equal(0);
        return out + err;
      };
      expect(await told('endpoint', 'health')).to.include(`${address} is healthy`);
      expect(await told('defrag')).to.include(`Finished defragmenting etcd member[${address}]`);
      expect(await told('endpoint', 'health', '--cluster')).to.include(`${origin} is healthy`);
      expect(await told('endpoint', 'status', '--cluster', '-w', 'table')).to.include(`| ${origin} |`);
    });
  }

  it('an account works within what it may, and tools on top of it do', async () => {
    expect(await app.ok(['put', 'app/a', '1'])).to.equal('OK\n');
    expect(await app.ok(['get', 'app/', '--prefix'])).to.equal('app/a\n1\n');
    expect(await app.ok(['lock', 'app/lock', 'echo', 'held'])).to.equal('held\n');
    expect(await app.ok(['member', 'list', '-w', 'table'])).to.include('CLIENT ADDRS');
    expect(await app.ok(['role', 'get', 'app'])).to.include('app/');
    expect((await app.run(['endpoint', 'health'])).err).to.include('is healthy');
  });

  const refused: readonly (readonly [who: () => Etcdctl, args: string, message: string])[] = [
    // Whose certificate names somebody is that user.
    [() => anybody, 'get app/a', 'etcdserver: permission denied'],
    [() => anybody.with('--user', 'app:wrong'), 'get app/a', 'authentication failed, invalid user ID or password'],
    [() => anybody.with('--user', 'nobody:x'), 'get app/a', 'authentication failed, invalid user ID or password'],
    [() => anybody.with('--user', 'silent:x'), 'get app/a', 'password was given for no password user'],
    [() => app, 'put other 1', 'etcdserver: permission denied'],
    [() => app, 'get --prefix a', 'etcdserver: permission denied'],
    [() => app, 'lock other echo held', 'etcdserver: permission denied'],
    [() => app, 'user list', 'etcdserver: permission denied'],
    [() => app, 'user get root', 'etcdserver: permission denied'],
    [() => app, 'auth disable', 'etcdserver: permission denied'],
    [() => app, 'put app/a 1 --lease=abc', 'etcdserver: requested lease not found'],
    [() => root, 'user add root:again', 'etcdserver: user name already exists'],
    [() => root, 'user delete root', 'etcdserver: invalid auth management'],
    [() => root, 'role delete root', 'etcdserver: invalid auth management'],
    [() => root, 'user grant-role app nobody', 'etcdserver: role name not found'],
    [() => root, 'role revoke-permission app elsewhere', 'etcdserver: permission is not granted to the role'],
    [() => root, 'get app/a --rev=99999', 'etcdserver: mvcc: required revision is a future revision'],
    [() => root, 'put nothing --ignore-value', 'etcdserver: key not found'],
  ];
  for (const [who, command, message] of refused) {
    it(`${command}: ${message}`, async () => {
      const { code, err } = await who().run(command.split(' '));
      expect(code).to.not.equal(0);
      expect(err).to.include(message);
    });
  }

  it('a client without a certificate, or without TLS, is not served', async () => {
    const patience = ['--command-timeout', '2s', '--dial-timeout', '1s'];
    const { host } = new URL(server.endpoint);
    for (const stranger of [
      new Etcdctl(`http://${host}`, patience),
      new Etcdctl(server.endpoint, ['--cacert', certificates.caFile, ...patience]),
      new Etcdctl(server.endpoint, patience),
    ]) {
      expect((await stranger.run(['get', 'app/a'])).code).to.not.equal(0);
    }
  });
}
