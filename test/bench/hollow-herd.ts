/**
 * Hollow cells for the scale bench, all in this process: `hollow-herd.js ETCD CELLS [PORTS]`. With PORTS there is a
 * hollow router too: it has no HAProxy, and confirms every revision as soon as it has seen it. Members are those of
 * databases that nobody uses yet, which write nothing again; with SIGUSR2 they become busy, and heartbeat until the next.
 * SIGHUP takes the first cell away: its agent and all its nodes are gone, as with the machine.
 */
import { setMaxListeners } from 'node:events';
import { runCell } from '../../src/cell/cell-daemon.ts';
import { SimulatedHerd } from '../../src/cell/runtime/simulated/simulated-herd.ts';
import { SimulatedRuntime } from '../../src/cell/runtime/simulated.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { Registry } from '../../src/engine/metrics.ts';
import { RouterRegistration } from '../../src/router/router-registration.ts';
import type { CellId, RouterId } from '../../src/schema/ids.ts';
import { EtcdStore } from '../../src/store/etcd.ts';
import { systemClock as clock } from '../../src/time/clock.ts';

const [endpoint = '', cells = '50', ports = ''] = process.argv.slice(2);
const store = new EtcdStore({ endpoints: [endpoint] });
const logger = createLogger({ level: 'warn', format: 'json', destination: process.stderr });
const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
const { signal } = stopping;
setMaxListeners(0, signal);

let walBytesPerSecond = 0;
process.on('SIGUSR2', () => {
  walBytesPerSecond = walBytesPerSecond === 0 ? 1000 : 0;
});
const herd = new SimulatedHerd({
  store,
  clock,
  logger,
  get walBytesPerSecond() {
    return walBytesPerSecond;
  },
});
const running: Promise<void>[] = [herd.run(signal)];
for (let i = 1; i <= Number(cells); i++) {
  const address = `10.0.${Math.floor(i / 250)}.${i % 250}`;
  const cell = {
    cell: `cell-${i}` as CellId,
    zone: `z${i % 3}`,
    labels: {},
    address,
    hostname: `cell-${i}`,
    capacity: { nodes: 1000, memory_mb: 1_000_000 },
    version: 'bench',
    bootId: 'bench',
    onExit: 'leave' as const,
    runtime: new SimulatedRuntime(herd, address),
    commit: herd.commit,
  };
  const here = new AbortController();
  signal.addEventListener('abort', () => here.abort());
  const ended = runCell({ ...cell, store, clock, logger, registry: new Registry() }, here.signal);
  running.push(ended);
  if (i === 1) process.once('SIGHUP', () => void lose(cell.runtime, here, ended));
}
if (ports) running.push(runHollowRouter());
await Promise.all(running);
await store.close();

async function lose(runtime: SimulatedRuntime, agent: AbortController, agentEnded: Promise<void>): Promise<void> {
  agent.abort();
  await agentEnded;
  for (const node of runtime.nodes()) runtime.crash(node);
}

async function runHollowRouter(): Promise<void> {
  const router = 'hollow' as RouterId;
  const range = { start: '/routing/', end: '/service0' };
  const registration = new RouterRegistration({ store, clock, logger, router });
  const confirm = (revision: bigint) =>
    registration.say({
      router,
      address: '127.0.0.1',
      applied_revision: revision.toString(),
      refused_ports: [],
      ports,
      version: 'bench',
    });
  const { revision } = await store.get(range.start);
  confirm(revision);
  const follow = async () => {
    for await (const batch of store.watch(range, revision + 1n, { signal })) {
      const isRouteChange = batch.events.some((event) =>
        /\/leader$|\/allocation\//.test(event.type === 'put' ? event.kv.key : event.key),
      );
      if (isRouteChange) confirm(batch.revision);
    }
  };
  const following = follow().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  await Promise.all([registration.run(signal), following]);
}
