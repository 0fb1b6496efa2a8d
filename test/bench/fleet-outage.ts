import { printFigure } from './figure.ts';
import type { HollowFleet } from './hollow-fleet.ts';

const awayMs = 60_000;
const ours = ['controller', 'cells', 'router'] as const;

/**
 * Takes etcd away for a minute, twice: ended and started again, when leases get their full time once more; and frozen,
 * when every lease has run out at the moment that it wakes, Patroni's too. There is no stampede as long as nobody of
 * ours writes more keys in any second than in the busiest second of the creation, or writes again what is there.
 */
export async function measureOutage(
  fleet: HollowFleet,
  about: object,
  ids: readonly string[],
  createdSinceMs: number,
): Promise<void> {
  const limits = new Map(ours.map((writer) => [writer, Math.max(...fleet.traffic.perSecond(writer, createdSinceMs))]));
  for (const how of ['restarted', 'frozen'] as const) {
    const { traffic, etcd } = fleet;
    traffic.rewritten = [];
    const { restarts } = fleet.controller;
    if (how === 'restarted') await etcd.kill();
    else etcd.suspend();
    await sleep(awayMs);
    const backMs = performance.now();
    if (how === 'restarted') await etcd.start();
    else etcd.resume();
    const [edited = ''] = ids;
    const node_count = how === 'restarted' ? 2 : 3;
    await fleet.converge([edited], { plan: 'standard', parameters: { 'node-count': node_count } });
    const editedMs = performance.now();
    await traffic.until('all to be Ready again', () => ids.every((id) => traffic.ready.has(id)));
    await traffic.quiet(ours, 15_000);
    const rest = { ...about, how, controllerRestarts: fleet.controller.restarts - restarts };
    printFigure('etcd_back_to_edit_ready_s', 's', [(editedMs - backMs) / 1000], rest);
    for (const writer of ours) {
      const peak = Math.max(0, ...traffic.perSecond(writer, backMs));
      const limit = limits.get(writer) ?? 0;
      printFigure('peak_keys_per_second_after_outage', '1/s', [peak], {
        ...{ ...rest, writer },
        ...(limit > 0 && { limit: [limit] }),
        target: 'ratio <= 1',
      });
    }
    const again = traffic.rewritten;
    printFigure('keys_written_again_unchanged', '1', [again.length], { ...rest, target: '0', some: again.slice(0, 5) });
  }
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
