import type { Clock } from '../../../time/clock.ts';
import type { ProcessIdentity, ProcessTable } from '../process-table.ts';

/**
 * Proof that nothing of a node's run is left. Every run has a PID namespace of its own, and the kernel promises: when
 * the first process of the namespace, its init, ends, all others are killed, none can be born any more, and init itself
 * disappears (or turns zombie) only after the last of them. So the end of init, told from a later process of the same
 * pid by its start time, is proof. What is looked for beyond that:
 *
 * - processes that are still in the namespace, in case init is just dying;
 * - processes that were started with this node's configuration file, in case the agent crashed after it had started a
 *   run and before it had written down which processes that was.
 *
 * The number of a namespace can be given again after it is gone: a namespace with another init is not ours.
 * Nothing survives a boot, so of a run of an earlier boot nothing is left.
 */
export interface Run {
  readonly bootId: string;
  readonly init: ProcessIdentity;
  readonly namespace: string;
}

/** The processes of a run that can still do something; pass undefined for a run that was not recorded. */
export function leftovers(run: Run | undefined, configPath: string, table: ProcessTable): ProcessIdentity[] {
  const alive = table.pids().flatMap((pid) => table.alive(pid) ?? []);
  const ours = alive.filter(({ pid }) => startedWith(configPath, pid, table));
  if (!run || run.bootId !== table.bootId()) return ours;
  const inside = alive.filter(({ pid }) => table.namespace(pid) === run.namespace);
  const init = inside.find(({ pid }) => table.innermostPid(pid) === 1);
  const reused = init !== undefined && !same(init, run.init);
  return reused ? ours : [...new Map([...inside, ...ours].map((each) => [each.pid, each])).values()];
}

const same = (a: ProcessIdentity, b: ProcessIdentity): boolean => a.pid === b.pid && a.startTime === b.startTime;

function startedWith(configPath: string, pid: number, table: ProcessTable): boolean {
  const words = table.arguments(pid);
  if (!words.includes(configPath)) return false;
  // Somebody may read the file or run patronictl with it: that is no node. A node is in a namespace of its own, or is
  // the wrapper that is about to make one.
  return ['flock', 'unshare'].includes(words[0] ?? '') || table.namespace(pid) !== table.namespace(process.pid);
}

/** Whether the init of a run of this boot is alive, which is whether the run is. */
export function isAlive({ init }: Run, table: ProcessTable): boolean {
  const found = table.alive(init.pid);
  return found !== undefined && same(found, init);
}

/** Kills what is left of a run, and resolves when nothing is. */
export async function makeSureNothingIsLeft(
  run: Run | undefined,
  configPath: string,
  { table, clock, patienceMs }: { table: ProcessTable; clock: Clock; patienceMs: number },
): Promise<void> {
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    const left = leftovers(run, configPath, table);
    if (left.length === 0) return;
    if (clock.monotonic() > deadline) {
      throw new Error(`processes ${left.map(({ pid }) => pid).join(', ')} do not end although they were killed`);
    }
    for (const each of left) table.kill(each, 'SIGKILL');
    await clock.sleep(10);
  }
}
