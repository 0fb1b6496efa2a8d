import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { Backend } from '../../src/kv/backend.ts';
import { type BackendOptions, openBackend, restore } from '../../src/kv/open-backend.ts';
import { systemClock } from '../../src/time/clock.ts';
import { testKvBackend } from '../contract/kv-backend.ts';
import { checkAgainstModel } from '../contract/kv-model.ts';
import { Recorder } from './support/recorder.ts';
import { del, everything, line, put, range, watch } from './support/requests.ts';

const program = fileURLToPath(new URL('support/kv-process.js', import.meta.url));
const fullDisk = fileURLToPath(new URL('support/full-disk-process.js', import.meta.url));

let directory: string;
let stop: () => Promise<void>;

async function openIn(where: string, options: Partial<BackendOptions> = {}): Promise<Backend> {
  const backend = await openBackend({ engine: 'lmdb', clock: systemClock, directory: where, ...options });
  const stopping = new AbortController();
  const running = backend.run(stopping.signal);
  stop = async () => {
    stop = async () => {};
    stopping.abort();
    await running;
  };
  return backend;
}

testKvBackend('lmdb', {
  async open(options: Partial<BackendOptions>) {
    directory = await mkdtemp(join(tmpdir(), 'pgherd-kv-'));
    return openIn(directory, options);
  },
  async close() {
    await stop();
    await rm(directory, { recursive: true });
  },
});

describe('kv on lmdb, over time', () => {
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pgherd-kv-'));
    stop = async () => {};
  });
  afterEach(async () => {
    await stop();
    await rm(directory, { recursive: true });
  });

  const lines = async (backend: Backend) => (await backend.range(everything())).kvs.map(line);

  it('is what it was after a restart: keys, history, compaction, leases with the time that is left, settings', async () => {
    let nowMs = 1000;
    const clock = { ...systemClock, monotonic: () => nowMs };
    const first = await openIn(directory, { clock });
    await first.leaseGrant({ id: 5n, ttl: 60n });
    for (const value of ['1', '2', '3']) await first.put(put('a', value, { lease: 5n }));
    await first.deleteRange(del('a'));
    await first.put(put('b', '1', { lease: 5n }));
    await first.compact({ revision: 3n, physical: true });
    await first.setMeta('name', Buffer.from('x'));
    const { hash } = await first.hash(0n);
    nowMs += 20_000;
    await stop();
    const second = await openIn(directory, { clock });
    expect([second.revision, second.status().compactRevision]).to.deep.equal([6n, 3n]);
    expect(await lines(second)).to.deep.equal(['b=1@6 l5']);
    expect((await second.hash(0n)).hash).to.equal(hash);
    expect(String(await second.getMeta('name'))).to.equal('x');
    expect(await second.leaseTimeToLive(5n, true)).to.deep.equal({
      ttl: 40n,
      grantedTtl: 60n,
      keys: [Buffer.from('b')],
    });
    const recorder = new Recorder(second, watch('a', '', { startRevision: 4n, prevKv: true }));
    expect(await recorder.atLeast(2)).to.deep.equal(['a=3@4 v3 c2 l5 was a=2@3 v2 c2 l5', '-a@5 was a=3@4 v3 c2 l5']);
    expect(await second.leaseKeepAlive(5n)).to.equal(60n);
  });

  it('has every answered write after kill -9, and no revision twice', () => surviveKills('0'));

  it('has every answered write after kill -9 while segments of the journal go beneath', () => surviveKills('20000'));

  const surviveKills = async (characters: string) => {
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [program, 'lmdb', directory, characters], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const answered = new Map<string, { readonly n: number; readonly revision: bigint }>();
      let highest = 0n;
      try {
        for await (const text of createInterface({ input: child.stdout })) {
          const [writer = '', n, revision] = text.split(' ');
          answered.set(writer, { n: Number(n), revision: BigInt(revision ?? 0) });
          if (BigInt(revision ?? 0) > highest) highest = BigInt(revision ?? 0);
          if (Number(n) === 50) child.kill('SIGKILL');
        }
      } finally {
        child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      const backend = await openIn(directory);
      expect(backend.revision >= highest).to.equal(true);
      for (const [writer, { n, revision }] of answered) {
        const [kv] = (await backend.range(range(`w${writer}`))).kvs;
        expect(Number(kv?.value), `writer ${writer}`).to.be.at.least(n);
        const [then] = (await backend.range(range(`w${writer}`, '', { revision }))).kvs;
        expect([Number(then?.value), then?.modRevision]).to.deep.equal([n, revision]);
      }
      await stop();
    }
  };

  it('reads and tells of every revision what a model says', async () => {
    let count = 0;
    await checkAgainstModel(async () => {
      await stop();
      count += 1;
      return openIn(join(directory, String(count)));
    }, 25);
  });

  it('refuses a directory that another server has, and takes it when that is gone', async () => {
    await openIn(directory);
    const second = openBackend({ engine: 'lmdb', clock: systemClock, directory });
    const error = await second.catch((reason: Error) => reason);
    expect(String(error)).to.contain(`data directory ${directory} is in use by another kv server`);
    await stop();
    await openIn(directory);
  });

  const onFullDisk = async (fillerBytes: number) => {
    const mount = `mount -t tmpfs -o size=40m tmpfs "$0" && exec "$@" "$0" ${fillerBytes}`;
    const args = ['--user', '--map-root-user', '--mount', 'sh', '-c', mount, directory, process.execPath, fullDisk];
    const { stdout } = await promisify(execFile)('unshare', args, { timeout: 60_000 });
    return JSON.parse(stdout);
  };

  it('refuses writes on a full disk, keeps what it answered, and goes on when there is room', async () => {
    const { answered, refusals, readBack, afterRoom, reopened } = await onFullDisk(16 << 20);
    expect(refusals).to.deep.equal(['etcdserver: mvcc: database space exceeded']);
    expect(answered).to.be.above(100);
    expect(readBack).to.equal(answered);
    expect([afterRoom, reopened]).to.deep.equal(['put', answered + 1]);
  });

  it('refuses writes on a disk that is too full for a journal, and makes it when there is room', async () => {
    const { answered, refusals, afterRoom, reopened } = await onFullDisk(35 << 20);
    expect(refusals).to.deep.equal(['etcdserver: mvcc: database space exceeded']);
    expect([answered, afterRoom, reopened]).to.deep.equal([0, 'put', 1]);
  });

  it('answers what comes after its end as a stopped server does', async () => {
    const backend = await openIn(directory);
    await stop();
    for (const late of [
      backend.range(range('a')),
      backend.put(put('a', '1')),
      backend.compact({ revision: 1n, physical: false }),
    ]) {
      expect(String(await late.catch((error: Error) => error))).to.equal('KvError: etcdserver: server stopped');
    }
  });

  it('refuses a file that was cut off', async () => {
    const backend = await openIn(directory);
    for (let n = 0; n < 20; n += 1) await backend.put(put(`${n}`, 'x'.repeat(10_000)));
    await stop();
    await truncate(join(directory, 'kv.lmdb'), 50_000);
    const error = await openBackend({ engine: 'lmdb', clock: systemClock, directory }).catch((reason: Error) => reason);
    expect(String(error)).to.match(/kv\.lmdb is damaged: it has 50000 bytes of \d+/);
  });

  it('compact() and defragment() give space back', async () => {
    const backend = await openIn(directory);
    for (let n = 0; n < 300; n += 1) await backend.put(put('a', `${n}`.padEnd(20_000)));
    const full = backend.status();
    await backend.compact({ revision: backend.revision, physical: true });
    const compacted = backend.status();
    expect(compacted.dbSizeInUse).to.be.below(full.dbSizeInUse / 10);
    await backend.defragment();
    expect(backend.status().dbSize).to.be.below(full.dbSize / 10);
    expect((await backend.range(range('a'))).kvs[0]?.version).to.equal(300n);
    await backend.put(put('b', '1'));
    await stop();
    expect((await (await openIn(directory)).range(everything())).count).to.equal(2n);
  });

  it('refuses writes beyond the quota, says so, and takes them again when there is room', async () => {
    let told = 0;
    const onQuotaExceeded = () => {
      told += 1;
    };
    const backend = await openIn(directory, { quotaBytes: 1 << 20, onQuotaExceeded });
    const fill = async () => {
      for (let n = 0; n < 100; n += 1) await backend.put(put('a', `${n}`.padEnd(50_000)));
    };
    const error = await fill().catch((reason: Error) => reason);
    expect([String(error), told]).to.deep.equal(['KvError: etcdserver: mvcc: database space exceeded', 1]);
    await backend.compact({ revision: backend.revision, physical: true });
    await backend.put(put('a', 'fits'));
  });

  it('snapshot() and restore() carry keys, leases and settings over, and history is over', async () => {
    const backend = await openIn(directory);
    await backend.leaseGrant({ id: 5n, ttl: 60n });
    for (let n = 0; n < 1200; n += 1) void backend.put(put(`k${n % 700}`, `${n}`, { lease: n % 2 ? 5n : 0n }));
    await backend.setMeta('name', Buffer.from('x'));
    const before = await backend.hash(0n);
    const chunks: Buffer[] = [];
    for await (const chunk of backend.snapshot(new AbortController().signal)) {
      chunks.push(chunk);
      await backend.put(put('later', 'not part of it'));
    }
    await stop();
    const into = join(directory, 'restored');
    const source = (bytes: Buffer) => restore({ engine: 'lmdb', clock: systemClock, directory: into }, pieces(bytes));
    const whole = Buffer.concat(chunks);
    for (const damaged of [whole.subarray(0, -1), whole.subarray(0, 3000), Buffer.from('something else entirely')]) {
      expect(String(await source(damaged).catch((reason: Error) => reason))).to.contain('the snapshot is damaged');
      await rm(into, { recursive: true, force: true });
    }
    const flipped = Buffer.from(whole);
    flipped[whole.length >> 1] = (flipped[whole.length >> 1] ?? 0) ^ 1;
    expect(String(await source(flipped).catch((reason: Error) => reason))).to.contain('the snapshot is damaged');
    await rm(into, { recursive: true, force: true });
    expect(await source(whole)).to.equal(before.revision);
    const restored = await openIn(into);
    expect(await restored.hash(0n)).to.deep.equal({ ...before, compactRevision: before.revision });
    expect((await restored.leaseTimeToLive(5n, true)).keys.length).to.equal(350);
    expect(String(await restored.getMeta('name'))).to.equal('x');
    const recorder = new Recorder(restored, watch('k', 'l', { startRevision: 5n }));
    expect((await recorder.until(() => recorder.compactRevision !== undefined)).compactRevision).to.equal(
      before.revision,
    );
    expect((await restored.put(put('k0', 'next'))).revision).to.equal(before.revision + 1n);
    await stop();
    expect(String(await source(whole).catch((reason: Error) => reason))).to.contain('only be restored into an empty');
  });
});

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
}
