import { randomInt } from 'node:crypto';
import { decide } from '../../src/controller/decide/decide.ts';
import { Herd } from '../../src/controller/view/herd.ts';
import { Informers } from '../../src/controller/view/informers.ts';
import { defaultSettings } from '../../src/controller/view/settings.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import type { InstanceId } from '../../src/schema/ids.ts';
import type { PortRange } from '../../src/schema/routing.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock as clock } from '../../src/time/clock.ts';

/**
 * How many passes one core makes in a second of its time over the converged instances of a store: view and decision,
 * nothing due.
 */
export async function noOpPassesPerSecond(
  store: Store,
  ids: readonly InstanceId[],
  portRange: PortRange,
): Promise<number> {
  const settings = { ...defaultSettings, portRange };
  const logger = createLogger({ level: 'error', format: 'json', destination: process.stderr });
  const { informers: metrics } = new EngineMetrics(new Registry());
  const informers = new Informers({ store, clock, logger, metrics, settings });
  const herd = new Herd(settings, informers);
  const stopping = new AbortController();
  const { instances, scopes, cells, routing, bindings } = informers;
  const all = [instances, scopes, cells, routing, bindings];
  const running = all.map((informer) => informer.run(stopping.signal));
  await Promise.all(all.map((informer) => informer.whenSynced(stopping.signal)));

  let passes = 0;
  const before = process.cpuUsage();
  const usedSeconds = () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000_000;
  };
  while (usedSeconds() < 3) {
    for (const id of ids) {
      const { ops } = decide(herd.view(id), new Date(), randomInt);
      if (ops.length > 0) throw new Error(`${id} is not converged`);
      passes += 1;
    }
  }
  const seconds = usedSeconds();
  stopping.abort();
  await Promise.all(running);
  return passes / seconds;
}
