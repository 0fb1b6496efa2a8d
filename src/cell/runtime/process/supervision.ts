import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../../../time/clock.ts';
import type { ProcessTable } from '../process-table.ts';
import { alreadyRunningExitCode } from './command-line.ts';
import { isAlive, type Run } from './proof.ts';

// How often the end of a process that is not our child is looked for.
const adoptedPollMs = 50;

/** One run of a node, watched until it ends: by its exit when this agent started it, else by looking for its init. */
export class Supervision {
  readonly run: Run;
  /** Resolves with how the run ended, for people, once its init is gone. */
  readonly ended: Promise<string>;
  #stopWatching: () => void = () => {};

  private constructor(run: Run, ended: (supervision: Supervision) => Promise<string>) {
    this.run = run;
    this.ended = ended(this);
  }

  static adopt(run: Run, { table, clock }: { table: ProcessTable; clock: Clock }): Supervision {
    return new Supervision(run, (supervision) => supervision.#poll(table, clock));
  }

  /** Starts a run; rejects when it ended before it was known by name. */
  static async start(
    command: readonly [string, ...string[]],
    { home, output, table, clock }: { home: string; output: string; table: ProcessTable; clock: Clock },
  ): Promise<Supervision> {
    const exit = launch(command, home, output);
    let how: string | undefined;
    void exit.how.then((text) => {
      how = text;
    });
    for (;;) {
      const init = exit.pid === undefined ? undefined : table.children(exit.pid)[0];
      const namespace = init === undefined ? undefined : table.namespace(init);
      const identity = init === undefined ? undefined : table.alive(init);
      // The child is born into its namespace, so there is no moment at which it still has ours.
      if (identity && namespace) {
        return new Supervision({ bootId: table.bootId(), init: identity, namespace }, () => exit.how);
      }
      if (how !== undefined) throw new Error(`the node's processes ended at once (${how}), see ${output}`);
      await clock.sleep(2);
    }
  }

  #poll(table: ProcessTable, clock: Clock): Promise<string> {
    return new Promise((resolve) => {
      const look = () => {
        if (!isAlive(this.run, table)) resolve('its processes are gone');
        else this.#stopWatching = clock.after(adoptedPollMs, look);
      };
      look();
    });
  }

  /** Stops looking; the run runs on. */
  leave(): void {
    this.#stopWatching();
  }
}

function launch(
  [program, ...words]: readonly [string, ...string[]],
  home: string,
  output: string,
): { readonly pid: number | undefined; readonly how: Promise<string> } {
  const log = openSync(output, 'a', 0o600);
  try {
    const child = spawn(program, words, {
      cwd: home,
      // Its own session, and files for output: it outlives this agent.
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: home, LC_ALL: 'C.UTF-8' },
    });
    child.unref();
    return { pid: child.pid, how: exitOf(child, program) };
  } finally {
    closeSync(log);
  }
}

function exitOf(child: ChildProcess, program: string): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`cannot run ${program}: ${error.message}`));
    child.once('exit', (code, signal) => {
      if (code === alreadyRunningExitCode) resolve('another run of this node holds its lock');
      else resolve(signal ? `killed by ${signal}` : `exit code ${code}`);
    });
  });
}
