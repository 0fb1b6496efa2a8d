import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { FrameReader, frame } from '../../src/store/grpc-frame.ts';
import { GrpcClient } from '../fixtures/kv/grpc-client.ts';
import type { CallError } from '../fixtures/kv/kv-client.ts';
import { type Message, methodOf } from '../fixtures/kv/protocol.ts';
import { type KvProcess, prepareKv, startKv } from '../fixtures/kv/server.ts';
import { until } from '../fixtures/until.ts';

describe('pgherd kv under faults', () => {
  const servers: KvProcess[] = [];
  const clients: GrpcClient[] = [];
  const run = async (kv: KvProcess): Promise<KvProcess> => {
    servers.push(kv);
    return kv.start();
  };
  const clientOf = ({ endpoint }: { endpoint: string }): GrpcClient => {
    const client = new GrpcClient(endpoint);
    clients.push(client);
    return client;
  };
  const refusal = (call: Promise<unknown>): Promise<CallError> =>
    call.then(
      () => {
        throw new Error('nothing was refused');
      },
      (error) => error,
    );

  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    for (const server of servers.splice(0)) await server.stop();
  });

  describe('on a disk of its own', () => {
    let directory: string;
    const mount = (...options: string[]) =>
      execFileSync('mount', ['-t', 'tmpfs', '-o', ['mode=755', ...options].join(), 'tmpfs', directory]);
    beforeEach(async function () {
      if (process.getuid?.() !== 0) this.skip();
      directory = await mkdtemp(join(tmpdir(), 'pgherd-kv-disk-'));
    });
    afterEach(async () => {
      for (const server of servers.splice(0)) await server.stop();
      execFileSync('umount', [directory]);
      await rm(directory, { recursive: true });
    });

    it('refuses writes when the disk is full, answers reads, and has everything that it answered', async () => {
      mount('size=12m');
      const kv = await run(await prepareKv({ engine: 'lmdb', dataDir: directory }));
      const client = clientOf(kv);
      let written = 0;
      const fill = async () => {
        for (;;) {
          await client.call('KV/Put', { key: `full/${String(written).padStart(4, '0')}`, value: 'v'.repeat(500_000) });
          written += 1;
        }
      };
      const error = await refusal(fill());
      expect(error.code, error.message).to.equal(8);
      expect(written).to.be.greaterThan(3);
      const count = async (from: GrpcClient) =>
        Number((await from.call('KV/Range', { key: 'full/', range_end: 'full0', count_only: true }))['count'] ?? 0);
      expect(await count(client)).to.equal(written);
      await kv.kill();
      await kv.start();
      expect(await count(clientOf(kv))).to.equal(written);
    });

    it('says why it does not start where nothing can be written', async () => {
      mount('ro');
      const kv = await prepareKv({ engine: 'lmdb', dataDir: directory });
      servers.push(kv);
      await kv.start().catch(() => {});
      expect(await kv.daemon.exited()).to.not.equal(0);
      expect(kv.log())
        .to.include(directory)
        .and.match(/read-only|EROFS/i);
    });
  });

  it('refuses a data directory that another server uses, and leaves that one alone', async () => {
    const first = await run(await prepareKv({ engine: 'lmdb' }));
    const second = await prepareKv({ engine: 'lmdb', dataDir: first.dataDir });
    servers.push(second);
    await second.start().catch(() => {});
    expect(await second.daemon.exited()).to.not.equal(0);
    expect(second.log()).to.include(first.dataDir);
    await clientOf(first).call('KV/Put', { key: 'a' });
  });

  it('refuses a file whose last page is missing', async () => {
    const kv = await run(await prepareKv({ engine: 'lmdb' }));
    const client = clientOf(kv);
    for (let i = 0; i < 20; i++) await client.call('KV/Put', { key: `${i}`, value: 'v'.repeat(10_000) });
    await kv.kill();
    const [name = ''] = (await readdir(kv.dataDir)).filter((each) => each.endsWith('.lmdb'));
    const file = join(kv.dataDir, name);
    const { size } = await stat(file);
    await truncate(file, Math.min(size, 60_000));
    await kv.start().catch(() => {});
    expect(await kv.daemon.exited()).to.not.equal(0);
    expect(kv.log()).to.include('is damaged');
  });

  it('defragments again and again, and goes on writing', async () => {
    const kv = await run(await prepareKv({ engine: 'lmdb' }));
    const client = clientOf(kv);
    for (let i = 0; i < 4; i++) {
      await client.call('KV/Put', { key: `defragmented/${i}`, value: 'v'.repeat(10_000) });
      await client.call('Maintenance/Defragment');
    }
    await kv.kill();
    await kv.start();
    const all = { key: 'defragmented/', range_end: 'defragmented0', count_only: true };
    expect((await clientOf(kv).call('KV/Range', all))['count']).to.equal('4');
  });

  it('a client that does not read its watch costs memory up to a bound, and gets everything when it reads', async () => {
    const kv = await run(await prepareKv({ engine: 'lmdb' }));
    const slow = clientOf(kv);
    const quick = clientOf(kv);
    const watch = slow.raw('/etcdserverpb.Watch/Watch');
    const { encode, decode } = methodOf('Watch/Watch');
    watch.write(frame(encode({ create_request: { key: 'slow/', range_end: 'slow0', start_revision: '1' } })));
    const before = anonymousMb(kv.pid);
    for (let i = 0; i < 120; i++) await quick.call('KV/Put', { key: `slow/${i}`, value: 'v'.repeat(1_000_000) });
    expect(anonymousMb(kv.pid) - before).to.be.lessThan(100);
    const seen: string[] = [];
    const reader = new FrameReader();
    for await (const chunk of watch) {
      for (const message of reader.push(chunk as Buffer)) {
        for (const event of decode(message)['events'] ?? []) seen.push(event.kv.key);
      }
      if (seen.length >= 120) break;
    }
    expect(seen).to.deep.equal(Array.from({ length: 120 }, (_, i) => `slow/${i}`));
  });

  it('serves 10,000 watches', async () => {
    const kv = await run(await prepareKv({ engine: 'memory' }));
    const client = clientOf(kv);
    const streams = Array.from({ length: 10 }, () => client.open('Watch/Watch', createOf(0)));
    for (const stream of streams) {
      for (let i = 1; i < 1000; i++) stream.send(createOf(i));
      for (let i = 0; i < 1000; i++) expect((await stream.next())?.['created']).to.equal(true);
    }
    await client.call('KV/Put', { key: 'watched', value: '1' });
    for (const stream of streams) {
      const ids = new Set<string>();
      while (ids.size < 1000) {
        const { watch_id = '0', events } = (await stream.next()) ?? {};
        expect(events).to.have.length(1);
        ids.add(watch_id);
      }
      stream.close();
    }
  });

  it('keeps 50,000 leases, also over a restart', async () => {
    const kv = await run(await prepareKv({ engine: 'lmdb' }));
    const client = clientOf(kv);
    let granted = 0;
    const granting = Array.from({ length: 500 }, async () => {
      while (granted < 50_000) {
        granted += 1;
        await client.call('Lease/LeaseGrant', { TTL: '3600' });
      }
    });
    await Promise.all(granting);
    const count = async (from: GrpcClient) => (await from.call('Lease/LeaseLeases'))['leases'].length;
    expect(await count(client)).to.equal(50_000);
    await kv.restart();
    expect(await count(clientOf(kv))).to.equal(50_000);
  });

  it('is not disturbed by garbage on its port', async () => {
    const kv = await run(await prepareKv({ engine: 'memory' }));
    const client = clientOf(kv);
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const rubbish = [
      randomBytes(4096),
      Buffer.from('GET'),
      Buffer.from('GET / HTTP/1.1\r\nhost'),
      Buffer.from('POST /v3/kv/put HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{'),
      Buffer.from('PRI * HTTP/2.0\r\n'),
      Buffer.concat([preface, randomBytes(2000)]),
      // The beginning of a TLS handshake.
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]),
      Buffer.alloc(100_000),
    ];
    for (const bytes of rubbish) {
      const socket = connect(kv.port, kv.host);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.end(bytes);
      socket.resume();
      await client.call('KV/Put', { key: 'a' });
      socket.destroy();
    }
    for (const message of [randomBytes(50), Buffer.from([1, 0, 0, 0, 1, 7]), Buffer.from([0, 255, 255, 255, 255])]) {
      const stream = client.raw('/etcdserverpb.KV/Range');
      stream.on('error', () => {});
      stream.resume();
      stream.end(message);
      await once(stream, 'close');
    }
    await client.call('KV/Put', { key: 'a' });
    expect(kv.daemon.isRunning).to.equal(true);
  });

  it('serves a client that opens 10,000 streams at once', async () => {
    const kv = await run(await prepareKv({ engine: 'memory' }));
    const client = clientOf(kv);
    const streams = Array.from({ length: 10_000 }, () => client.open('Watch/Watch', createOf(0)));
    for (const stream of streams) expect((await stream.next())?.['created']).to.equal(true);
    await client.call('KV/Put', { key: 'watched' });
    for (const stream of streams) expect((await stream.next())?.['events']).to.have.length(1);
    client.close();
    await clientOf(kv).call('KV/Put', { key: 'watched' });
  });

  it('ends in order with clients connected', async () => {
    const kv = await startKv({ engine: 'lmdb' });
    servers.push(kv);
    const client = clientOf(kv);
    const watch = client.open('Watch/Watch', createOf(0));
    await watch.next();
    expect(await kv.daemon.end('SIGTERM')).to.equal(0);
    await until('the watch ends', () =>
      watch.next().then(
        (message) => message === undefined,
        () => true,
      ),
    );
  });
});

const createOf = (id: number): Message => ({ create_request: { key: 'watched', watch_id: String(id) } });

/** Memory that is not a mapped file. */
const anonymousMb = (pid: number): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
