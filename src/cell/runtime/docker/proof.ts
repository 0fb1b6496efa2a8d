import { readFileSync } from 'node:fs';
import type { Clock } from '../../../time/clock.ts';
import { isAlive, makeSureNothingIsLeft, type Run } from '../process/proof.ts';
import type { ProcessTable } from '../process-table.ts';
import type { Proof } from '../runtime.ts';
import type { Engine } from './engine.ts';
import type { DockerRecord } from './node-record.ts';

/**
 * Proof that nothing of a node's container is left, and that it cannot come back. An engine's word is not enough: one that
 * was restarted, or lost its containerd, calls containers exited whose processes run on. So two things are needed:
 *
 * 1. **The engine has removed the container.** Nobody can start it again: neither the engine, nor a person.
 * 2. **This machine's kernel says that the container's first process is gone**, told from a later one of the same pid by
 *    its start time. A container has a PID namespace of its own, so all others died before it (`process/proof.ts`).
 *
 * The second can only be said of a process that was seen before, and only on the machine where it ran: when the agent
 * starts or takes over a container, it writes down the process that the engine names, if the kernel here says that this
 * process is in that container's cgroup. Whoever talks to an engine on another machine never finds it there.
 *
 * | situation                                                       | answer                                          |
 * |-----------------------------------------------------------------|-------------------------------------------------|
 * | container exited, its first process gone                        | removed; proven                                 |
 * | container exited, the engine says, but its process is alive     | killed and waited for; proven when it is gone   |
 * | somebody has started it again                                   | removed by force; proven when both runs are gone |
 * | it runs, the engine says, but its process is gone               | the engine did not notice yet; removed; proven  |
 * | container gone without us, its first process gone               | proven                                          |
 * | container was created and never started                         | removed; there was no process: proven           |
 * | the engine does not answer                                      | no answer: asked again later, nothing released  |
 * | the engine is on another machine, or the agent is in a PID namespace of its own | unproven: the lease decides     |
 * | it was started and died before its process was seen             | unproven: the lease decides                     |
 * | the agent forgot which process it was (its records are lost)    | unproven: the lease decides                     |
 * | an earlier run of the node was unproven, in this boot           | unproven, whatever is known of the later run    |
 * | the machine was booted since                                    | removed; no process outlives a boot: proven     |
 * | agent restarted, container died meanwhile                       | its record names the process: as above          |
 * | two cells on one engine                                         | each has its label, and its own containers      |
 */
export async function proveGone(
  container: string,
  record: DockerRecord,
  {
    engine,
    host,
    clock,
    patienceMs,
  }: { engine: Pick<Engine, 'inspect' | 'remove'>; host: Host; clock: Clock; patienceMs: number },
): Promise<Proof> {
  const { table } = host;
  const found = await engine.inspect(container);
  const startedAgain = found?.running && !isKnown(found.pid, record.run, host) ? found : undefined;
  const again = startedAgain && identifyRun(startedAgain.pid, startedAgain.id, host);
  await engine.remove(container);
  if (record.doubtfulSince === table.bootId()) return 'unproven';
  if (startedAgain && !again) return 'unproven';
  if (!record.run) return found && !found.everStarted ? 'proven' : 'unproven';
  for (const run of again ? [record.run, again] : [record.run]) {
    await makeSureNothingIsLeft(run, noConfiguration, { table, clock, patienceMs });
  }
  return 'proven';
}

// No process was started with it: what is looked for is in the namespace.
const noConfiguration = '\0';

/** The machine that this agent runs on. */
export interface Host {
  readonly table: ProcessTable;
  /** What the kernel says of the cgroups of a process; empty when there is no such process. */
  cgroups(pid: number): string;
}

/** What `/proc` says of a process's cgroups. */
export function linuxCgroups(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch {
    return '';
  }
}

/** The run of a container whose first process the engine says is `pid`; undefined when that is not seen from here. */
export function identifyRun(pid: number, containerId: string, { table, cgroups }: Host): Run | undefined {
  if (pid === 0) return undefined;
  const init = table.alive(pid);
  const namespace = table.namespace(pid);
  if (!init || !namespace || table.innermostPid(pid) !== 1) return undefined;
  if (namespace === table.namespace(process.pid)) return undefined;
  // Only a process of this very machine can be in a group of that name, which is 64 random digits long.
  if (!cgroups(pid).includes(containerId)) return undefined;
  const run: Run = { bootId: table.bootId(), init, namespace };
  // All of it was said of one process, not of a later one of the same pid.
  return isAlive(run, table) ? run : undefined;
}

/**
 * Whether the process that the engine says runs is the one that we know. The kernel knows its end before the engine does:
 * until then the engine names a process that is no more, and nobody has started anything again.
 */
export const isKnown = (pid: number, run: Run | undefined, { table }: Host): boolean =>
  run !== undefined &&
  run.init.pid === pid &&
  run.bootId === table.bootId() &&
  (isAlive(run, table) || table.alive(pid) === undefined);
