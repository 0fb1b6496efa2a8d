import { expect } from 'chai';
import { Controller, type ControllerOptions, TerminalError } from '../../src/engine/controller.ts';
import { Informer } from '../../src/engine/informer.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import { prefixRange } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

function setUp(options: Pick<ControllerOptions, 'reconcile'> & Partial<ControllerOptions>) {
  const lines: string[] = [];
  const clock = new FakeClock();
  const registry = new Registry();
  const logger = createLogger({ level: 'debug', format: 'json', destination: { write: (line) => lines.push(line) } });
  const { controllers: metrics } = new EngineMetrics(registry);
  const controller = new Controller({ name: 'herd', clock, logger, metrics, ...options });
  const stop = new AbortController();
  const start = () => controller.run(stop.signal);
  const value = async (line: string) => {
    const found = (await registry.metrics()).split('\n').find((text) => text.startsWith(`${line} `));
    return found === undefined ? undefined : Number(found.slice(line.length + 1));
  };
  return { clock, controller, lines, start, stop: () => stop.abort(), value };
}

describe('Controller', () => {
  it('keeps what was enqueued before it runs, so that a standby takes over at once', async () => {
    const seen: string[] = [];
    const { controller, start, stop } = setUp({
      reconcile: async (key) => {
        seen.push(key);
        return {};
      },
    });
    controller.enqueue('a');
    controller.enqueue('b', { priority: 1 });
    await settle();
    expect(seen).to.deep.equal([]);
    const running = start();
    await settle();
    expect(seen).to.deep.equal(['b', 'a']);
    stop();
    await running;
  });

  it('tries a failed key again, later each time, and from the start after a success', async () => {
    const times: number[] = [];
    let failing = true;
    const { clock, controller, start, stop, value } = setUp({
      reconcile: async () => {
        times.push(clock.monotonic());
        if (failing) throw new Error('no');
        return {};
      },
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(70);
    expect(times).to.deep.equal([0, 5, 15, 35]);
    failing = false;
    await clock.advance(5);
    failing = true;
    controller.enqueue('a');
    await clock.advance(5);
    expect(times.slice(4)).to.deep.equal([75, 75, 80]);
    stop();
    await running;
    expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(6);
    expect(await value('controller_runtime_reconcile_total{controller="herd",result="success"}')).to.equal(1);
    expect(clock.pendingTimers).to.equal(0);
  });

  it('does not try again what failed for good, also when the reason is wrapped', async () => {
    let runs = 0;
    const { clock, controller, start, stop, value } = setUp({
      reconcile: async () => {
        runs += 1;
        throw new Error('outer', { cause: new TerminalError('inner') });
      },
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(3_600_000);
    expect(runs).to.equal(1);
    expect(await value('controller_runtime_terminal_reconcile_errors_total{controller="herd"}')).to.equal(1);
    stop();
    await running;
  });

  it('runs again after the time that was asked for', async () => {
    const times: number[] = [];
    const { clock, controller, start, stop, value } = setUp({
      reconcile: async () => {
        times.push(clock.monotonic());
        return { requeueAfterMs: 1000 };
      },
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(2500);
    expect(times).to.deep.equal([0, 1000, 2000]);
    expect(await value('controller_runtime_reconcile_total{controller="herd",result="requeue_after"}')).to.equal(3);
    stop();
    await running;
  });

  it('takes no longer than allowed: the run is aborted, counted, and tried again', async () => {
    const reasons: unknown[] = [];
    const { clock, controller, start, stop, value } = setUp({
      timeoutMs: 1000,
      reconcile: (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push((signal.reason as Error).name);
            reject(signal.reason);
          });
        }),
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(1004);
    expect(reasons).to.deep.equal(['ReconcileTimeoutError']);
    await clock.advance(1001);
    expect(reasons).to.have.length(2);
    expect(await value('controller_runtime_reconcile_timeouts_total{controller="herd"}')).to.equal(2);
    stop();
    await running;
  });

  it('says so when a reconcile does not heed its time limit', async () => {
    let finish = () => {};
    const { clock, controller, start, stop, value } = setUp({
      timeoutMs: 1000,
      reconcile: () =>
        new Promise((resolve) => {
          finish = () => resolve({});
        }),
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(2000);
    expect(controller.stuck()).to.equal(undefined);
    await clock.advance(1000);
    expect(controller.stuck()).to.equal('a reconcile of herd has been running for 3 s');
    const labels = '{name="herd",controller="herd"}';
    expect(await value(`workqueue_longest_running_processor_seconds${labels}`)).to.equal(3);
    expect(await value(`workqueue_unfinished_work_seconds${labels}`)).to.equal(3);
    finish();
    stop();
    await running;
  });

  for (const [what, reconcile] of [
    ['trips over undefined', async () => (undefined as unknown as { x: { y: never } }).x.y],
    [
      'throws what is not an error',
      async () => {
        throw 'bug';
      },
    ],
    ['returns nothing', () => undefined as never],
  ] as const) {
    it(`survives a reconcile that ${what}, counts a panic, and tries again`, async () => {
      const { clock, controller, start, stop, value } = setUp({ reconcile });
      const running = start();
      controller.enqueue('a');
      await clock.advance(5);
      expect(await value('controller_runtime_reconcile_panics_total{controller="herd"}')).to.equal(2);
      expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(2);
      stop();
      await running;
    });
  }

  it('survives a reconcile that throws before it returns a promise, and tries again', async () => {
    const { clock, controller, start, stop, value } = setUp({
      reconcile: () => {
        throw new Error('bug');
      },
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(5);
    expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(2);
    stop();
    await running;
  });

  it('does not take a refused connection for a panic', async () => {
    const { clock, controller, start, stop, value } = setUp({
      reconcile: async () => {
        throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
      },
    });
    const running = start();
    controller.enqueue('a');
    await clock.advance(0);
    expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(1);
    expect(await value('controller_runtime_reconcile_panics_total{controller="herd"}')).to.equal(0);
    stop();
    await running;
  });

  it('names key and run in the log, so that the lines of one run can be found', async () => {
    const { clock, controller, lines, start, stop } = setUp({
      reconcile: async (_key, { logger }) => {
        logger.info('looking');
        throw new Error('no');
      },
    });
    const running = start();
    controller.enqueue('f1');
    await clock.advance(0);
    stop();
    await running;
    const [looking, failed] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(looking).to.include({ controller: 'herd', key: 'f1', msg: 'looking' });
    expect(looking?.['reconcileID'])
      .to.match(/^[0-9a-f-]{36}$/)
      .and.equal(failed?.['reconcileID']);
    expect(failed).to.include({ msg: 'reconcile failed', failures: 1 });
  });

  it('aborts what runs when it is stopped, waits for it, and takes that for no error', async () => {
    let finish = () => {};
    const { controller, lines, start, stop, value } = setUp({
      reconcile: (_key, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            finish = () => reject(signal.reason);
          });
        }),
    });
    let hasEnded = false;
    const running = start().then(() => {
      hasEnded = true;
    });
    controller.enqueue('a');
    await settle();
    stop();
    await settle();
    expect(hasEnded).to.equal(false);
    finish();
    await running;
    expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(0);
    expect(lines.filter((line) => !line.includes('"debug"'))).to.deep.equal([]);
  });

  it('runs as many at a time as it may, and never two of one key', async () => {
    const now = new Map<string, number>();
    let most = 0;
    const { clock, controller, start, stop, value } = setUp({
      concurrency: 3,
      reconcile: async (key) => {
        now.set(key, (now.get(key) ?? 0) + 1);
        expect(now.get(key)).to.equal(1);
        most = Math.max(
          most,
          [...now.values()].reduce((sum, runs) => sum + runs),
        );
        await clock.sleep(10);
        now.set(key, 0);
        return {};
      },
    });
    const running = start();
    for (let i = 0; i < 20; i += 1) controller.enqueue(`f${i % 5}`);
    await clock.advance(5);
    for (let i = 0; i < 20; i += 1) controller.enqueue(`f${i % 5}`);
    expect(await value('controller_runtime_active_workers{controller="herd"}')).to.equal(3);
    await clock.advance(100);
    expect(most).to.equal(3);
    expect(await value('controller_runtime_reconcile_errors_total{controller="herd"}')).to.equal(0);
    expect(await value('controller_runtime_active_workers{controller="herd"}')).to.equal(0);
    stop();
    await running;
  });

  it('watch() wakes the keys of the old and of the new value, those that were there first of all last', async () => {
    const seen: string[] = [];
    const { clock, controller, start, stop } = setUp({
      reconcile: async (key) => {
        seen.push(key);
        return {};
      },
    });
    const store = new MemoryStore({ clock });
    const put = (key: string, value: string) => store.txn({ if: [], then: [{ type: 'put', key, value }] });
    await put('/cells/1', 'before');
    const informer = new Informer({
      name: 'cells',
      store,
      range: prefixRange('/cells/'),
      parse: ({ value }) => value,
      clock,
      logger: createLogger({ level: 'silent', format: 'json', destination: { write: () => {} } }),
      metrics: new EngineMetrics(new Registry()).informers,
    });
    controller.watch(informer, ({ value }) => [value]);
    const end = new AbortController();
    const watching = informer.run(end.signal);
    await settle();
    await put('/cells/2', 'owner-a');
    await settle();
    const running = start();
    await settle();
    expect(seen).to.deep.equal(['owner-a', 'before']);
    seen.length = 0;
    await put('/cells/2', 'owner-b');
    await settle();
    expect(seen).to.deep.equal(['owner-a', 'owner-b']);
    stop();
    end.abort();
    await Promise.all([running, watching]);
  });
});
