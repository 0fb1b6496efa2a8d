import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { type AddOptions, type Work, WorkQueue, type WorkQueueOptions } from '../../src/engine/work-queue.ts';
import { systemClock } from '../../src/time/clock.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

function createQueue(options: Partial<WorkQueueOptions> & Pick<WorkQueueOptions, 'clock'>) {
  return new WorkQueue({ name: 'herd', metrics: new EngineMetrics(new Registry()).controllers.queues, ...options });
}

/** A queue whose workers take as long as the test wants. */
class Bench {
  readonly clock = new FakeClock();
  readonly queue: WorkQueue;
  /** Keys in the order in which workers took them, with the priority they had. */
  readonly taken: string[] = [];
  readonly #running = new Map<string, () => void>();
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: Partial<WorkQueueOptions> = {}) {
    this.queue = createQueue({ clock: this.clock, ...options });
    const work: Work = (key, priority) => {
      expect(this.#running.has(key), `${key} runs twice at once`).to.equal(false);
      this.taken.push(`${key}@${priority}`);
      return new Promise((resolve) => this.#running.set(key, resolve));
    };
    this.#ended = this.queue.run(work, this.#stop.signal);
  }

  get running(): string[] {
    return [...this.#running.keys()].sort();
  }

  async done(key: string): Promise<void> {
    this.#running.get(key)?.();
    this.#running.delete(key);
    await settle();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    for (const key of this.running) await this.done(key);
    await this.#ended;
    expect(this.clock.pendingTimers, 'timers left').to.equal(0);
  }
}

describe('WorkQueue', () => {
  let bench: Bench;

  afterEach(() => bench.end());

  it('runs a key once, however often it was added', async () => {
    bench = new Bench();
    for (let i = 0; i < 10; i += 1) bench.queue.add('a');
    await settle();
    await bench.done('a');
    expect(bench.taken).to.deep.equal(['a@0']);
  });

  it('runs a key once more, and not at the same time, when it was added while it ran', async () => {
    bench = new Bench({ concurrency: 5 });
    bench.queue.add('a');
    await settle();
    for (let i = 0; i < 10; i += 1) bench.queue.add('a');
    await settle();
    expect(bench.taken).to.have.length(1);
    await bench.done('a');
    expect(bench.taken).to.have.length(2);
    await bench.done('a');
    expect(bench.taken).to.have.length(2);
  });

  it('never works inside of add(): the caller may be in the middle of a batch', () => {
    bench = new Bench();
    bench.queue.add('a');
    expect(bench.taken).to.deep.equal([]);
  });

  it('takes higher priorities first, equal ones in their order, and a raised one behind its new equals', async () => {
    bench = new Bench();
    bench.queue.add('busy');
    await settle();
    bench.queue.add('late', { priority: -100 });
    bench.queue.add('a');
    bench.queue.add('b');
    bench.queue.add('c', { priority: 1 });
    bench.queue.add('a', { priority: 1 });
    bench.queue.add('c', { priority: -5 });
    for (const key of ['busy', 'c', 'a', 'b', 'late']) await bench.done(key);
    expect(bench.taken).to.deep.equal(['busy@0', 'c@1', 'a@1', 'b@0', 'late@-100']);
  });

  it('moves a delayed key earlier only', async () => {
    bench = new Bench();
    bench.queue.add('a', { afterMs: 100 });
    bench.queue.add('a', { afterMs: 500 });
    bench.queue.add('b', { afterMs: 500 });
    bench.queue.add('b', { afterMs: 50 });
    bench.queue.add('c', { afterMs: 500 });
    bench.queue.add('c');
    await settle();
    expect(bench.taken).to.deep.equal(['c@0']);
    await bench.done('c');
    await bench.clock.advance(50);
    expect(bench.taken).to.deep.equal(['c@0', 'b@0']);
    await bench.done('b');
    await bench.clock.advance(50);
    await bench.done('a');
    await bench.clock.advance(10_000);
    expect(bench.taken).to.deep.equal(['c@0', 'b@0', 'a@0']);
  });

  it('doubles the wait of a key that fails, up to a minute, until it is forgotten', async () => {
    bench = new Bench();
    const waits = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 60000, 60000];
    for (const [failures, ms] of waits.entries()) {
      bench.queue.add('a', { rateLimited: true });
      await bench.clock.advance(ms - 1);
      expect(bench.running, `after ${failures} failures and ${ms - 1} ms`).to.deep.equal([]);
      await bench.clock.advance(1);
      expect(bench.running, `after ${failures} failures and ${ms} ms`).to.deep.equal(['a']);
      await bench.done('a');
    }
    bench.queue.forget('a');
    bench.queue.add('a', { rateLimited: true });
    await bench.clock.advance(5);
    expect(bench.running).to.deep.equal(['a']);
  });

  it('drops what is queued when stopped, and waits for what runs', async () => {
    const clock = new FakeClock();
    const queue = createQueue({ clock });
    const stop = new AbortController();
    const taken: string[] = [];
    let finish = () => {};
    let hasEnded = false;
    const work: Work = (key) => {
      taken.push(key);
      return new Promise((resolve) => {
        finish = resolve;
      });
    };
    const ended = queue.run(work, stop.signal).then(() => {
      hasEnded = true;
    });
    queue.add('a');
    queue.add('b');
    queue.add('c', { afterMs: 10 });
    await settle();
    stop.abort();
    queue.add('d');
    await clock.advance(100);
    expect([taken, hasEnded, queue.size]).to.deep.equal([['a'], false, 0]);
    finish();
    await ended;
    expect(taken).to.deep.equal(['a']);
  });

  it('lets sockets and timers be served while it works through a long queue', async () => {
    const queue = createQueue({ clock: systemClock });
    const stop = new AbortController();
    let runs = 0;
    for (let i = 0; i < 5_000; i += 1) queue.add(String(i));
    const ended = queue.run(async () => {
      runs += 1;
      if (runs === 5_000) stop.abort();
    }, stop.signal);
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(runs, 'the timer fired before the end').to.be.lessThan(5_000);
    await ended;
  });

  it('keeps nothing of the keys that are gone', async function () {
    this.timeout(20_000);
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const queue = createQueue({ clock: systemClock, concurrency: 4 });
    const stop = new AbortController();
    let round = 0;
    const ended = queue.run(async (key) => queue.forget(key), stop.signal);
    const cycle = async (keys: number) => {
      for (let i = 0; i < keys; i += 1) {
        queue.add(`${round}/${i}`, { rateLimited: true });
      }
      round += 1;
      while (queue.size > 0 || queue.runningMs().length > 0) await settle();
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const before = await cycle(20_000);
    for (let i = 0; i < 3; i += 1) await cycle(20_000);
    const after = await cycle(20_000);
    stop.abort();
    await ended;
    expect((after - before) / 1e6, 'MB more after 100,000 keys').to.be.lessThan(1);
  });
});

/** The same semantics in the plainest possible way. */
class Model {
  nowMs = 0;
  sequence = 0;
  readonly concurrency = 2;
  readonly waiting: { key: string; priority: number; readyAtMs: number; isReady: boolean; sequence: number }[] = [];
  readonly running = new Set<string>();
  readonly failures = new Map<string, number>();
  readonly taken: string[] = [];

  add(key: string, { priority = 0, afterMs, rateLimited }: AddOptions): void {
    let delayMs = afterMs ?? 0;
    if (rateLimited) {
      const failures = this.failures.get(key) ?? 0;
      this.failures.set(key, failures + 1);
      delayMs = Math.min(afterMs ?? 60_000, 5 * 2 ** failures, 60_000);
    }
    const readyAtMs = this.nowMs + delayMs;
    const known = this.waiting.find((entry) => entry.key === key);
    if (!known) {
      this.waiting.push({ key, priority, readyAtMs, isReady: delayMs <= 0, sequence: ++this.sequence });
    } else {
      const becomesReady = !known.isReady && delayMs <= 0;
      if (becomesReady || (known.isReady && priority > known.priority)) known.sequence = ++this.sequence;
      known.isReady ||= becomesReady;
      known.priority = Math.max(priority, known.priority);
      known.readyAtMs = Math.min(known.readyAtMs, readyAtMs);
    }
    this.#take();
  }

  pass(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += 1;
      const due = this.waiting.filter((entry) => !entry.isReady && entry.readyAtMs <= this.nowMs);
      for (const entry of due.sort((a, b) => a.sequence - b.sequence)) {
        entry.isReady = true;
        entry.sequence = ++this.sequence;
      }
      this.#take();
    }
  }

  done(key: string): void {
    this.running.delete(key);
    const parked = this.waiting.find((entry) => entry.key === key && entry.isReady);
    if (parked) parked.sequence = ++this.sequence;
    this.#take();
  }

  #take(): void {
    while (this.running.size < this.concurrency) {
      const [next] = this.waiting
        .filter(({ key, isReady }) => isReady && !this.running.has(key))
        .sort((a, b) => b.priority - a.priority || a.sequence - b.sequence);
      if (!next) return;
      this.waiting.splice(this.waiting.indexOf(next), 1);
      this.running.add(next.key);
      this.taken.push(`${next.key}@${next.priority}`);
    }
  }
}

describe('WorkQueue, beside its model', () => {
  class Command implements fc.AsyncCommand<Model, Bench> {
    readonly #name: string;
    readonly #apply: (model: Model, bench: Bench) => Promise<unknown> | unknown;

    constructor(name: string, apply: (model: Model, bench: Bench) => Promise<unknown> | unknown) {
      this.#name = name;
      this.#apply = apply;
    }

    check(): boolean {
      return true;
    }

    async run(model: Model, bench: Bench): Promise<void> {
      await this.#apply(model, bench);
      await settle();
      expect(bench.taken).to.deep.equal(model.taken);
      expect(bench.running).to.deep.equal([...model.running].sort());
      expect(bench.queue.size).to.equal(model.waiting.length);
    }

    toString(): string {
      return this.#name;
    }
  }

  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const options = fc.record(
    { priority: fc.integer({ min: -2, max: 2 }), afterMs: fc.nat(30), rateLimited: fc.boolean() },
    { requiredKeys: [] },
  );
  const commands = fc.commands(
    [
      fc.tuple(key, options).map(([name, how]) => {
        return new Command(`add ${name} ${JSON.stringify(how)}`, (model, bench) => {
          model.add(name, how);
          bench.queue.add(name, how);
        });
      }),
      fc.nat(10).map((which) => {
        return new Command(`done ${which}`, async (model, bench) => {
          const name = [...model.running][which % Math.max(1, model.running.size)];
          if (name === undefined) return;
          model.done(name);
          await bench.done(name);
        });
      }),
      fc.integer({ min: 1, max: 40 }).map((ms) => {
        return new Command(`pass ${ms}`, async (model, bench) => {
          model.pass(ms);
          await bench.clock.advance(ms);
        });
      }),
      key.map((name) => {
        return new Command(`forget ${name}`, (model, bench) => {
          model.failures.delete(name);
          bench.queue.forget(name);
        });
      }),
    ],
    { maxCommands: 60 },
  );

  it('takes the same keys in the same order at the same times, whatever is added, done and forgotten', async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (all) => {
        const bench = new Bench({ concurrency: 2 });
        await fc.asyncModelRun(() => ({ model: new Model(), real: bench }), all);
        await bench.end();
      }),
      { numRuns: 300 },
    );
  });
});
