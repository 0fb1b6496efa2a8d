/**
 * What a fleet does when things happen to it, at two sizes, one ten times the other: what an event costs the controller,
 * how soon the nodes of a lost cell are replaced, how soon a controller that was restarted works again, and what is
 * written when etcd is back after a minute. Every cell holds 150 nodes. The controller is run as systemd would run it.
 * `node dist/test/bench/fleet.js [instances] [cells] [parts]`, by default 10000 on 200 and all parts: `costs` at both
 * sizes, each a tenth first, and `restart,outage` at the larger one.
 *
 * Nodes of a lost cell are replaced at a bounded rate: as many at once as there are cells, and as many again every ten
 * seconds. So a pass within two seconds decides for every instance that it moves its node or waits for its turn, and
 * replacements begin at once as far as the rate allows: for 150 nodes on 200 cells that is all of them.
 */
import { mkdirSync } from 'node:fs';
import { assignmentsPrefix, parseAssignmentKey } from '../../src/schema/assignment.ts';
import { cellHealthKey } from '../../src/schema/cell-health.ts';
import { type CellId, instanceOfNode } from '../../src/schema/ids.ts';
import { prefixRange } from '../../src/store/store.ts';
import { printFigure } from './figure.ts';
import { measureOutage } from './fleet-outage.ts';
import { measureRestart } from './fleet-restart.ts';
import { type HollowFleet, startHollowFleet, type Work } from './hollow-fleet.ts';
import { residentMb } from './process-figures.ts';

const [, , instanceCount = '10000', cellCount = '200', parts = 'costs,restart,outage'] = process.argv;
const instances = Number(instanceCount);
const cells = Number(cellCount);
const firstCell = 'cell-1' as CellId;
const edited = 200;
const heartbeatMs = 20_000;
const restMs = 10_000;

/** What things cost the controller of a fleet. */
interface Costs {
  readonly [what: string]: number;
}

mkdirSync('/var/tmp/pgherd-test', { recursive: true });
const isCosts = parts.includes('costs');
const small = isCosts ? await measure(Math.ceil(instances / 10), Math.ceil(cells / 10), 'costs') : {};
const large = await measure(instances, cells, parts);
for (const [what, cost] of Object.entries(isCosts ? large : {})) {
  const target = what.endsWith('_mb') ? 'ratio <= 10' : 'ratio <= 1.5';
  printFigure(`${what}_large_to_small`, 'ratio', [cost / (small[what] ?? 0)], { instances, target });
}

async function measure(count: number, on: number, what: string): Promise<Costs> {
  const fleet = await startHollowFleet(on);
  const about = { instances: count, cells: on };
  const ids = Array.from({ length: count }, (_, i) => `i-${i}`);
  const { traffic } = fleet;
  const costs: Record<string, number> = {};
  try {
    const startedMs = performance.now();
    costs['creation_cpu_us_per_event'] = await costOf('creation', fleet, about, () =>
      fleet.converge(ids, { plan: 'standard' }),
    );
    const seconds = (performance.now() - startedMs) / 1000;
    printFigure('fleet_creation_s', 's', [seconds], about);
    for (const writer of ['controller', 'cells', 'router'] as const) {
      printFigure('keys_per_second_at_creation', '1/s', traffic.perSecond(writer, startedMs), { ...about, writer });
    }
    await traffic.quiet(['controller', 'cells', 'router'], 5_000);
    await fleet.measureRest(restMs);
    printFigure('controller_cpu_at_rest', 'ratio', [fleet.cpuAtRest], about);
    costs['memory_mb'] = residentMb(fleet.controllerPid);
    printFigure('controller_memory_mb', 'MB', [costs['memory_mb']], {
      ...about,
      target: '<= 150 for 1000, <= 400 for 10000',
    });

    if (what.includes('costs')) await measureCosts(fleet, about, ids, costs);
    if (what.includes('restart')) await measureRestart(fleet, about);
    if (what.includes('outage')) await measureOutage(fleet, about, ids, startedMs);
    const { restarts } = fleet.controller;
    printFigure('controller_ended_by_itself', '1', [restarts], about);
    if (!fleet.isWhole) throw new Error('the hollow herd has ended');
  } finally {
    await fleet.stop();
  }
  return costs;
}

/** What an edit, a heartbeat and the loss of a cell cost. */
async function measureCosts(
  fleet: HollowFleet,
  about: { readonly cells: number },
  ids: readonly string[],
  costs: Record<string, number>,
): Promise<void> {
  const some = ids.slice(0, edited);
  costs['edit_cpu_us_per_event'] = await costOf('edit', fleet, about, async () => {
    await fleet.converge(some, { plan: 'standard', parameters: { 'node-count': 4 } });
    await fleet.converge(some, { plan: 'standard' });
  });
  fleet.toggleLoad();
  costs['heartbeat_cpu_us_per_event'] = await costOf(
    'heartbeat',
    fleet,
    about,
    () => new Promise((resolve) => setTimeout(resolve, heartbeatMs)),
  );
  fleet.toggleLoad();
  costs['lost_cell_cpu_us_per_event'] = await costOf('lost_cell', fleet, about, () => loseCell(fleet, about));
  await fleet.traffic.quiet(['controller', 'cells', 'router'], 5_000);
}

/** Processor time of the controller for each change that it heard of while something was done, less what it uses at rest. */
async function costOf(what: string, fleet: HollowFleet, about: object, act: () => Promise<void>): Promise<number> {
  const before: Work = await fleet.work();
  const startedMs = performance.now();
  await act();
  const after = await fleet.work();
  const events = after.events - before.events;
  const idleMs = (performance.now() - startedMs) * fleet.cpuAtRest;
  const us = (Math.max(0, after.cpuMs - before.cpuMs - idleMs) * 1000) / events;
  printFigure('controller_cpu_us_per_event', 'us', [us], { ...about, what, events });
  return us;
}

/** Takes one cell away, and waits until its nodes are elsewhere and everything is Ready. */
async function loseCell(fleet: HollowFleet, about: { readonly cells: number }): Promise<void> {
  const { traffic, store } = fleet;
  const { kvs } = await store.list(prefixRange(`${assignmentsPrefix}${firstCell}/`));
  const affected = new Set(kvs.map(({ key }) => instanceOfNode(parseAssignmentKey(key)?.node as never) as string));
  let lostMs: number | undefined;
  const decidedMs = new Map<string, number>();
  const begunMs = new Map<string, number>();
  traffic.onPut = ({ kv: { key, value }, atMs }) => {
    if (key === cellHealthKey(firstCell) && value.includes('"Lost"')) lostMs = atMs;
    const assigned = parseAssignmentKey(key);
    const instance = assigned ? instanceOfNode(assigned.node) : /^\/service\/([^/]+)\/state$/.exec(key)?.[1];
    if (lostMs === undefined || !instance || !affected.has(instance)) return;
    if (!decidedMs.has(instance)) decidedMs.set(instance, atMs - lostMs);
    if (assigned && !begunMs.has(instance)) begunMs.set(instance, atMs - lostMs);
  };
  fleet.loseFirstCell();
  const areReplaced = () => begunMs.size === affected.size && [...affected].every((id) => traffic.ready.has(id));
  await traffic.until('the nodes of the lost cell to be replaced', areReplaced);
  traffic.onPut = () => {};
  const all = { ...about, nodes: affected.size };
  const inSeconds = (all: Map<string, number>) => [...all.values()].map((ms) => ms / 1000);
  printFigure('lost_to_decided_s', 's', inSeconds(decidedMs), { ...all, target: 'max <= 2 s' });
  const atOnce = Math.min(affected.size, Math.max(5, about.cells - 1));
  printFigure('lost_to_replacement_begun_s', 's', inSeconds(begunMs), {
    ...all,
    target: `${atOnce} within 2 s, ${about.cells - 1} more every 10 s`,
    withinTwoSeconds: [...begunMs.values()].filter((ms) => ms <= 2_000).length,
  });
}
