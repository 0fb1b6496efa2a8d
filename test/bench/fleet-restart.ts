import { parseAssignmentKey } from '../../src/schema/assignment.ts';
import { instanceOfNode } from '../../src/schema/ids.ts';
import { printFigure } from './figure.ts';
import type { HollowFleet } from './hollow-fleet.ts';
import { writerOf } from './store-traffic.ts';

const fresh = 'fresh';
const lookedAtMs = 20_000;

/**
 * Restarts the controller, and puts one document while it is away: how long after its start the first decision is there,
 * and what it writes that is not about that document.
 */
export async function measureRestart(fleet: HollowFleet, about: object): Promise<void> {
  const { traffic } = fleet;
  const notDue: string[] = [];
  let decidedMs: number | undefined;
  traffic.onPut = ({ kv: { key }, atMs }) => {
    if (writerOf(key) !== 'controller') return;
    if (!key.includes(`/${fresh}`) && !/^\/routing\/(nextport|ports\/)/.test(key)) notDue.push(key);
    const assigned = parseAssignmentKey(key);
    if (assigned && instanceOfNode(assigned.node) === fresh) decidedMs ??= atMs;
  };
  const stoppingMs = performance.now();
  await fleet.controller.stop();
  await fleet.put([fresh], { plan: 'standard' });
  const startedMs = performance.now();
  fleet.controller.start();
  await traffic.until('the first decision after a restart', () => decidedMs !== undefined);
  const { cpuMs } = await fleet.work();
  await new Promise((resolve) => setTimeout(resolve, lookedAtMs));
  traffic.onPut = () => {};
  const workingMs = (decidedMs ?? Number.NaN) - startedMs;
  printFigure('restart_to_first_decision_s', 's', [workingMs / 1000], {
    ...about,
    target: '<= 10 s',
    endedInSeconds: Math.round(startedMs - stoppingMs) / 1000,
    cpuSeconds: cpuMs / 1000,
  });
  printFigure('writes_not_due_after_restart', '1', [notDue.length], {
    ...about,
    target: '0',
    some: notDue.slice(0, 5),
  });
}
