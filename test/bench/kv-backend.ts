/**
 * The storage half of the embedded store alone, without its network:
 *   puts a second with 1, 32 and 256 in flight, on LMDB, beside what LMDB's package does with the same values in the
 *   same run when nothing is decided; processor time per put; and how a store of a million keys starts.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'lmdb';
import type { Backend } from '../../src/kv/backend.ts';
import { openBackend } from '../../src/kv/open-backend.ts';
import { systemClock } from '../../src/time/clock.ts';
import { put, range } from '../kv/support/requests.ts';
import { printFigure } from './figure.ts';

const rounds = 5;
const [mode, place = ''] = process.argv.slice(2);
if (mode === 'start') await measureStart(place);
else await measureAll();

async function measureAll(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'pgherd-bench-'));
  try {
    await measurePuts(directory);
    await measureMillionKeys(join(directory, 'million'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measurePuts(directory: string): Promise<void> {
  const backend = await openBackend({ engine: 'lmdb', clock: systemClock, directory: join(directory, 'puts') });
  const bare = open<Buffer, Buffer>({
    path: join(directory, 'bare.lmdb'),
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    mapSize: 16 * 1024 ** 3,
  });
  const value = Buffer.alloc(200, 'x');
  for (const [inFlight, count] of [
    [1, 1000],
    [32, 8000],
    [256, 30_000],
  ] as const) {
    const rates: number[] = [];
    const limits: number[] = [];
    const microseconds: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      limits.push(await perSecond(inFlight, count, (n) => bare.put(Buffer.from(`key${n % 10_000}`), value)));
      const before = process.cpuUsage();
      rates.push(await perSecond(inFlight, count, (n) => backend.put({ ...put(`key${n % 10_000}`, ''), value })));
      const { user, system } = process.cpuUsage(before);
      microseconds.push((user + system) / count);
    }
    printFigure(`kv backend: puts of 200 bytes, ${inFlight} in flight, each durable`, '1/s', rates, { limit: limits });
    printFigure(`kv backend: processor time per put, ${inFlight} in flight, all threads`, 'µs', microseconds);
  }
  await stop(backend);
  await bare.close();
}

async function measureMillionKeys(directory: string): Promise<void> {
  const backend = await openBackend({ engine: 'lmdb', clock: systemClock, directory });
  const value = Buffer.alloc(500, 'x');
  const rate = await perSecond(2000, 1_000_000, (n) => backend.put({ ...put(`/registry/things/${n}`, ''), value }));
  printFigure('kv backend: filling a store with a million keys of 500 bytes', '1/s', [rate]);
  await stop(backend);
  const starts: number[] = [];
  const resident: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const script = fileURLToPath(import.meta.url);
    const { stdout } = spawnSync(process.execPath, [script, 'start', directory], { encoding: 'utf8' });
    const { startMs, residentMiB } = JSON.parse(stdout) as { startMs: number; residentMiB: number };
    starts.push(startMs);
    resident.push(residentMiB);
  }
  printFigure('kv backend: start with a million keys of 500 bytes, to the first answer', 'ms', starts, {
    target: '3000',
  });
  printFigure('kv backend: resident memory then', 'MiB', resident);
}

async function measureStart(directory: string): Promise<void> {
  const startedMs = performance.now();
  const backend = await openBackend({ engine: 'lmdb', clock: systemClock, directory });
  await backend.range(range('/registry/things/4711'));
  const startMs = performance.now() - startedMs;
  const kibibytes = Number(/VmRSS:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  console.log(JSON.stringify({ startMs, residentMiB: kibibytes / 1024 }));
  await stop(backend);
}

async function perSecond(inFlight: number, count: number, act: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0;
  const startedMs = performance.now();
  const worker = async () => {
    for (let n = next++; n < count; n = next++) await act(n);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return count / ((performance.now() - startedMs) / 1000);
}

async function stop(backend: Backend): Promise<void> {
  const stopping = new AbortController();
  const running = backend.run(stopping.signal);
  stopping.abort();
  await running;
}
