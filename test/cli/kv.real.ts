import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { putRequestType, rangeRequestType } from '../../src/kv/protocol/kv.ts';
import { watchRequestType } from '../../src/kv/protocol/watch.ts';
import { fromJson } from '../../src/kv/wire/json.ts';
import { JsonReader } from '../../src/kv/wire/json-values.ts';
import { encodeFrame } from '../../src/kv/wire/protobuf.ts';
import { type Certificates, makeCertificates } from '../fixtures/certificates.ts';
import { Command, run } from '../fixtures/command.ts';
import { freePort, randomLoopback } from '../fixtures/free-port.ts';

const exec = promisify(execFile);

describe('pgherd kv', () => {
  const servers: Command[] = [];
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgherd-kv-'));
  });
  afterEach(async () => {
    const running = servers.splice(0);
    for (const { process } of running) process.kill('SIGKILL');
    await Promise.all(running.map(({ ended }) => ended));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  async function start(...args: readonly string[]): Promise<{ host: string; port: number; server: Command }> {
    const host = randomLoopback();
    const port = await freePort(host);
    const server = new Command(['kv', '--engine', 'memory', '--listen', `${host}:${port}`, ...args]);
    servers.push(server);
    await server.prints('store is serving');
    return { host, port, server };
  }

  async function etcdctl(endpoint: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await exec('etcdctl', ['--endpoints', endpoint, ...args], {
      env: { PATH: process.env['PATH'] },
    });
    return stdout;
  }

  it('answers etcdctl, and stops in order', async () => {
    const { host, port, server } = await start();
    const ctl = (...args: readonly string[]) => etcdctl(`${host}:${port}`, ...args);
    await ctl('put', 'a', '1');
    await ctl('put', 'b', '2');
    await ctl('del', 'a');
    expect(await ctl('get', '', '--prefix')).to.equal('b\n2\n');
    expect(await ctl('endpoint', 'status')).to.include('3.4.');
    expect(await ctl('member', 'list')).to.include(`http://${host}:${port}`);
    server.process.kill('SIGTERM');
    const { code, err } = await server.ended;
    expect(code).to.equal(0);
    expect(err).to.include('store has stopped');
  });

  it('gives a snapshot to etcdctl, and is made again from it', async () => {
    const { host, port } = await start();
    await etcdctl(`${host}:${port}`, 'put', 'kept', 'yes');
    const file = join(dir, 'backup.db');
    await etcdctl(`${host}:${port}`, 'snapshot', 'save', file);
    const { code, out } = await run(`kv --engine memory snapshot restore ${file}`);
    expect([code, out]).to.deep.equal([0, `restored ${file}, revision 2\n`]);
    const damaged = await run(`kv --engine memory snapshot restore ${process.execPath}`);
    expect(damaged.code).to.equal(1);
    expect(damaged.err).to.include('not a snapshot');
  });

  it('says what to do when its port is taken, and when options make no sense', async () => {
    const { host, port } = await start();
    const taken = await run(`kv --engine memory --listen ${host}:${port}`);
    expect(taken).to.include({ code: 1 });
    expect(taken.err).to.include('is taken by another program');
    for (const [args, words] of [
      ['--cert x.crt', '--cert and --key belong together'],
      ['--auth-token maybe', '--auth-token is "maybe": expected simple, or jwt'],
      ['--listen here', '--listen is "here": expected HOST:PORT'],
      ['--quota-backend-bytes many', '--quota-backend-bytes is "many"'],
    ] as const) {
      const { code, err } = await run(`kv --engine memory ${args}`);
      expect([code, err]).to.satisfy(([c, e]: [number, string]) => c === 2 && e.includes(words), err);
    }
  });

  describe('with certificates', () => {
    let certificates: Certificates;
    let host: string;
    let endpoint: string;
    before(async () => {
      host = randomLoopback();
      certificates = await makeCertificates(host);
    });
    after(() => certificates?.remove());

    it('takes the name in a certificate for the user, and nobody without one', async () => {
      const port = await freePort(host);
      const { caFile, certFile, keyFile } = certificates;
      const tls = ['--cert', certFile, '--key', keyFile, '--client-ca', caFile];
      const server = new Command(['kv', '--engine', 'memory', '--listen', `${host}:${port}`, ...tls]);
      servers.push(server);
      await server.prints('store is serving');
      endpoint = `https://${host}:${port}`;
      const shown = ['--cacert', caFile, '--cert', certFile, '--key', keyFile];
      const ctl = (...args: readonly string[]) => etcdctl(endpoint, ...shown, ...args);
      await ctl('user', 'add', 'root:pw');
      await ctl('role', 'add', 'root');
      await ctl('user', 'grant-role', 'root', 'root');
      // The certificate is that of a user pgherd.
      await ctl('user', 'add', 'pgherd', '--no-password');
      await ctl('role', 'add', 'own');
      await ctl('role', 'grant-permission', 'own', 'readwrite', '/own/', '--prefix');
      await ctl('user', 'grant-role', 'pgherd', 'own');
      await ctl('auth', 'enable');
      expect(await ctl('put', '/own/key', 'v')).to.equal('OK\n');
      expect(await refusal(ctl('put', '/other', 'v'))).to.include('permission denied');
      expect(await ctl('--user', 'root:pw', 'put', '/other', 'v')).to.equal('OK\n');
      expect(await refusal(ctl('--user', 'root:no', 'get', '/other'))).to.include('authentication failed');
      const bare = etcdctl(endpoint, '--cacert', caFile, '--command-timeout', '1s', 'get', '/own/key');
      expect(await refusal(bare)).to.not.equal('');
    });
  });

  it('survives garbage on its port', async () => {
    const { host, port } = await start();
    const garbage = [
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames at all, but a lot of text'),
      Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
      Buffer.from('GET\r\n\r\n\0\0\0\0'),
      Buffer.alloc(100_000, 0xff),
    ];
    for (const bytes of garbage) {
      const socket = connect(port, host);
      socket.on('error', () => {}).resume();
      socket.end(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }
    expect(await etcdctl(`${host}:${port}`, 'put', 'a', '1')).to.equal('OK\n');
  });

  it('refuses who asks for more and more and reads nothing of it, and goes on serving others', async () => {
    const { host, port } = await start();
    const put = fromJson(putRequestType, new JsonReader(`{"key":"YQ==","value":"${'A'.repeat(1_600_000)}"}`).value());
    const range = fromJson(rangeRequestType, new JsonReader('{"key":"YQ=="}').value());
    const client = connectHttp2(`http://${host}:${port}`);
    try {
      const ask = (path: string, question: Buffer) => {
        const type = { 'content-type': 'application/grpc' };
        const stream = client.request({ ':method': 'POST', ':path': path, ...type });
        stream.end(question);
        return stream;
      };
      const written = ask('/etcdserverpb.KV/Put', encodeFrame(putRequestType, put)).resume();
      await once(written, 'end');
      const question = encodeFrame(rangeRequestType, range);
      const statuses = Array.from({ length: 200 }, async () => {
        const [headers] = (await once(ask('/etcdserverpb.KV/Range', question), 'response')) as [object];
        return (headers as Record<string, unknown>)['grpc-status'];
      });
      expect(await Promise.all(statuses)).to.include.members([undefined, '8']);
      expect(await etcdctl(`${host}:${port}`, 'put', 'b', '1')).to.equal('OK\n');
    } finally {
      client.destroy();
    }
  });

  it('serves ten thousand watches on streams of their own over one connection', async () => {
    const { host, port } = await start();
    const count = 10_000;
    const client = connectHttp2(`http://${host}:${port}`, { maxSessionMemory: 1000 });
    try {
      await once(client, 'remoteSettings');
      const create = fromJson(watchRequestType, new JsonReader('{"create_request":{"key":"YQ=="}}').value());
      const question = encodeFrame(watchRequestType, create);
      const headers = { ':method': 'POST', ':path': '/etcdserverpb.Watch/Watch', 'content-type': 'application/grpc' };
      const streams = Array.from({ length: count }, () => client.request(headers));
      const created = streams.map((stream) => {
        stream.write(question);
        return once(stream, 'data');
      });
      await Promise.all(created);
      const told = streams.map((stream) => once(stream, 'data'));
      await etcdctl(`${host}:${port}`, 'put', 'a', '1');
      await Promise.all(told);
    } finally {
      client.destroy();
    }
  });
});

const refusal = (attempt: Promise<string>): Promise<string> =>
  attempt.then(
    () => '',
    (error: { stderr: string }) => error.stderr,
  );
