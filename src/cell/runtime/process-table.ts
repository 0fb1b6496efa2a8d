import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process, told from a later one of the same pid by the time it was started. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since boot, as the kernel prints it. */
  readonly startTime: string;
}

/** The processes of this machine, as `/proc` shows them now. */
export interface ProcessTable {
  /** Changes with every boot: no process outlives it. */
  bootId(): string;
  pids(): number[];
  /** Undefined when there is no such process, or when nothing of it can run any more. */
  alive(pid: number): ProcessIdentity | undefined;
  /** Its PID namespace, undefined when the process is gone. */
  namespace(pid: number): string | undefined;
  /** Its pid in the innermost namespace it is in: 1 for the namespace's init. */
  innermostPid(pid: number): number | undefined;
  arguments(pid: number): readonly string[];
  children(pid: number): readonly number[];
  kill(process: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void;
}

/** The process table of Linux. */
export const linuxProcessTable: ProcessTable = {
  bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),

  pids: () =>
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number),

  alive(pid) {
    const stat = read(`/proc/${pid}/stat`);
    // The command's name stands in parentheses and may contain anything.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, threads, startTime] = [fields?.[0], Number(fields?.[17]), fields?.[19]];
    if (startTime === undefined) return undefined;
    // A zombie whose other threads are gone does nothing but wait for its parent, which may never ask for it.
    if ((state === 'Z' || state === 'X') && threads <= 1) return undefined;
    return { pid, startTime };
  },

  namespace(pid) {
    try {
      return readlinkSync(`/proc/${pid}/ns/pid`);
    } catch (error) {
      // Processes of other users are hidden from an agent that is not root; none of them can be a node of ours.
      return unlessUnexpected(error);
    }
  },

  innermostPid(pid) {
    const pids = /^NSpid:\s*(.*)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1]?.split(/\s+/);
    return pids && Number(pids.at(-1));
  },

  arguments: (pid) => (read(`/proc/${pid}/cmdline`) ?? '').split('\0').slice(0, -1),

  children: (pid) => (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number),

  kill({ pid, startTime }, signal) {
    if (linuxProcessTable.alive(pid)?.startTime !== startTime) return;
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  },
};

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return unlessUnexpected(error);
  }
}

function unlessUnexpected(error: unknown): undefined {
  if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
  throw error;
}
