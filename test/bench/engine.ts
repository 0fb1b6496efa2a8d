import { Controller } from '../../src/engine/controller.ts';
import { Informer } from '../../src/engine/informer.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { prefixRange, type Store, type WatchBatch } from '../../src/store/store.ts';
import { systemClock as clock } from '../../src/time/clock.ts';

// What the engine itself costs, one JSON line per figure: `npm run build && node dist/test/bench/engine.js`.

const logger = createLogger({ level: 'info', format: 'json', destination: process.stderr });

function print(what: string, count: number, tookMs: number, limit: number): void {
  const perSecond = Math.round((count / tookMs) * 1000);
  const microseconds = Number(((tookMs / count) * 1000).toFixed(1));
  console.log(JSON.stringify({ what, count, per_second: perSecond, microseconds_each: microseconds, at_least: limit }));
}

/** Enqueues `count` keys and reconciles each with a function that does nothing. */
async function reconciles(count: number, concurrency: number): Promise<number> {
  const { controllers: metrics } = new EngineMetrics(new Registry());
  const stop = new AbortController();
  let done = 0;
  const controller = new Controller({
    name: 'herd',
    concurrency,
    reconcile: async () => {
      done += 1;
      if (done === count) stop.abort();
      return {};
    },
    clock,
    logger,
    metrics,
  });
  const startMs = clock.monotonic();
  for (let i = 0; i < count; i += 1) controller.enqueue(`f${i}`);
  await controller.run(stop.signal);
  return clock.monotonic() - startMs;
}

/** Feeds an informer `count` events on 10,000 keys in batches, through a controller's mapper into its queue. */
async function events(count: number, batchSize: number): Promise<number> {
  const memory = new MemoryStore({ clock });
  let applied = () => {};
  const all = new Promise<void>((resolve) => {
    applied = resolve;
  });
  const value = JSON.stringify({ role: 'replica', state: 'running', conn_url: 'postgres://127.0.0.1:5432/postgres' });
  async function* watch(): AsyncGenerator<WatchBatch, never, void> {
    let revision = 1n;
    for (let sent = 0; sent < count; sent += batchSize) {
      const batch = Array.from({ length: batchSize }, (_, i) => {
        revision += 1n;
        const key = `/service/f${(sent + i) % 10_000}/members/m`;
        return { type: 'put' as const, kv: { key, value, createRevision: 1n, modRevision: revision, leaseId: 0n } };
      });
      yield { revision, events: batch };
    }
    applied();
    return await new Promise<never>((_resolve, reject) =>
      stop.signal.addEventListener('abort', () => reject(stop.signal.reason)),
    );
  }
  const store: Store = Object.assign(Object.create(memory), {
    list: async () => ({ kvs: [], revision: 1n }),
    get: async () => ({ kv: undefined, revision: 1n }),
    watch,
  });
  const metrics = new EngineMetrics(new Registry());
  const stop = new AbortController();
  const parse = (kv: { value: string }) => JSON.parse(kv.value) as unknown;
  const options = { store, range: prefixRange('/service/'), parse, clock, logger, metrics: metrics.informers };
  const informer = new Informer({ name: 'service', ...options });
  const controller = new Controller({
    name: 'herd',
    reconcile: async () => ({}),
    clock,
    logger,
    metrics: metrics.controllers,
  });
  controller.watch(informer, ({ key }) => [key.split('/')[2] as string]);
  const startMs = clock.monotonic();
  const ended = informer.run(stop.signal);
  await all;
  const tookMs = clock.monotonic() - startMs;
  stop.abort();
  await ended;
  return tookMs;
}

await reconciles(20_000, 1);
for (const concurrency of [1, 16]) {
  print(`no-op reconciles, concurrency ${concurrency}`, 200_000, await reconciles(200_000, concurrency), 20_000);
}
for (const batchSize of [1, 100]) {
  print(`informer events, ${batchSize} a batch`, 400_000, await events(400_000, batchSize), 20_000);
}
