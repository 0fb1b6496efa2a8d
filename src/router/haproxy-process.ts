import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../time/clock.ts';
import { type Listener, renderConfig } from './haproxy-config.ts';
import { HaproxyError } from './haproxy-error.ts';
import { HaproxySocket } from './haproxy-socket.ts';
import { parseServersState } from './server-state.ts';
import type { Slot } from './slot.ts';

/** What every HAProxy of one router has in common. */
export interface HaproxyOptions {
  readonly dataDir: string;
  readonly haproxyPath: string;
  readonly bindAddress: string;
  /** Tells this router's HAProxy from one that was made for another block or address. */
  readonly layout: string;
  readonly maxConnections: number;
  readonly clock: Clock;
}

const pollMs = 10;
const endWithinMs = 1_000;
const killWithinMs = 2_000;
const softStopWithinMs = 5_000;

/**
 * One HAProxy that serves a part of the block. It runs in the background as a process of its own, not as our child, so
 * that it outlives a router that crashes, is replaced or restarted; whoever comes next finds it by its socket and
 * takes over. Without a master process: we never reload, so there is nothing a master would do for us.
 */
export class HaproxyProcess {
  readonly number: number;
  readonly socket: HaproxySocket;
  readonly #options: HaproxyOptions;
  #listeners: Map<number, Listener>;
  #isKnown: boolean;

  private constructor(number: number, options: HaproxyOptions, listeners: Map<number, Listener> | undefined) {
    this.number = number;
    this.#options = options;
    this.#listeners = listeners ?? new Map();
    this.#isKnown = listeners !== undefined;
    this.socket = new HaproxySocket(fileOf(options.dataDir, number, 'sock'), options.clock);
  }

  /** Starts a new one and resolves when it listens on all its ports, with what is in their slots already open. */
  static async start(number: number, listeners: readonly Listener[], options: HaproxyOptions): Promise<HaproxyProcess> {
    const byPort = new Map(listeners.map((listener) => [listener.port, listener]));
    const haproxy = new HaproxyProcess(number, options, byPort);
    const { dataDir, haproxyPath, bindAddress, layout, maxConnections } = options;
    const configPath = fileOf(dataDir, number, 'cfg');
    const socketPath = haproxy.socket.path;
    await writeFile(configPath, renderConfig({ layout, socketPath, bindAddress, maxConnections, listeners }));
    await launch(haproxyPath, ['-D', '-f', configPath, '-p', fileOf(dataDir, number, 'pid')]);
    return haproxy;
  }

  /** Takes over the one that runs already, undefined if there is none or it is not of our layout. */
  static async adopt(number: number, options: HaproxyOptions): Promise<HaproxyProcess | undefined> {
    const haproxy = new HaproxyProcess(number, options, undefined);
    try {
      const info = await haproxy.socket.ask('show info');
      if (!info.split('\n').includes(`description: "${options.layout}"`)) return undefined;
      await haproxy.refresh();
      return haproxy;
    } catch (error) {
      if (error instanceof HaproxyError && error.code === 'unreachable') return undefined;
      throw error;
    }
  }

  /** Every port that it serves, with its slot as we left it. */
  get listeners(): ReadonlyMap<number, Listener> {
    return this.#listeners;
  }

  /** Runs the commands of many slots, and takes note of what they are now. */
  async apply(plans: readonly { readonly port: number; readonly commands: readonly string[]; readonly next: Slot }[]) {
    this.#isKnown = false;
    await this.socket.command(plans.map(({ commands }) => commands));
    this.#isKnown = true;
    for (const { port, next } of plans) {
      const listener = this.#listeners.get(port);
      if (listener) this.#listeners.set(port, { ...listener, slot: next });
    }
  }

  /** Asks HAProxy what is behind its ports, if commands failed and we do not know how far they got. */
  async refresh(): Promise<void> {
    if (this.#isKnown) return;
    this.#listeners = parseServersState(await this.socket.ask('show servers state'));
    this.#isKnown = true;
  }

  /** Lets sessions end for a moment, then ends them. */
  stop(): Promise<void> {
    return endProcess(this.number, this.#options, 'SIGUSR1', softStopWithinMs);
  }
}

/** Ends what may be left of an HAProxy of this number that cannot be taken over. */
export const endLeftover = (number: number, options: HaproxyOptions): Promise<void> =>
  endProcess(number, options, 'SIGTERM', endWithinMs);

/** Number of an HAProxy, from the name of one of its files. */
export function numberOf(file: string): number | undefined {
  const match = /^haproxy-(\d+)\.(?:cfg|pid|sock)$/.exec(file);
  return match ? Number(match[1]) : undefined;
}

/** Rejects when HAProxy cannot be run. */
export const checkHaproxy = (path: string): Promise<void> => launch(path, ['-v']);

/** Throws when the data directory's name is too long for the socket of an HAProxy in it. */
export function checkSocketPath(dataDir: string, clock: Clock): void {
  new HaproxySocket(fileOf(dataDir, 999, 'sock'), clock);
}

const fileOf = (dataDir: string, number: number, kind: 'cfg' | 'pid' | 'sock'): string =>
  join(dataDir, `haproxy-${number}.${kind}`);

// Nothing of our own: `show env` prints the environment, and ours may hold the password of the store.
const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };

function launch(path: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(path, args, { encoding: 'utf8', env }, (error, _stdout, stderr) => {
      if (!error) return resolve();
      if (typeof error.code === 'string') {
        const message = `haproxy cannot be run at ${path}: install it (apt-get install haproxy) or name its path`;
        return reject(new HaproxyError('not-installed', message, { cause: error }));
      }
      const alerts = stderr
        .split('\n')
        .filter((line) => line.startsWith('[ALERT]'))
        .slice(0, 5);
      const code = /cannot bind/i.test(stderr) ? 'port-taken' : 'config-refused';
      reject(new HaproxyError(code, `haproxy ${args.join(' ')} ended with ${error.code}: ${alerts.join('; ')}`));
    });
  });
}

/** Ends the process, by force after `withinMs`, and removes its files. */
async function endProcess(number: number, options: HaproxyOptions, signal: NodeJS.Signals, withinMs: number) {
  const { dataDir, clock } = options;
  const config = fileOf(dataDir, number, 'cfg');
  const pid = await readPid(fileOf(dataDir, number, 'pid'));
  if (pid !== undefined && (await isHaproxy(pid, config))) {
    const startedMs = clock.monotonic();
    send(pid, signal);
    while (await isAlive(pid)) {
      const elapsedMs = clock.monotonic() - startedMs;
      if (elapsedMs > withinMs + killWithinMs) throw new Error(`haproxy ${number} (pid ${pid}) does not end`);
      if (elapsedMs > withinMs) send(pid, 'SIGKILL');
      await clock.sleep(pollMs);
    }
  }
  for (const kind of ['cfg', 'pid', 'sock'] as const) await rm(fileOf(dataDir, number, kind), { force: true });
}

async function readPid(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^[1-9]\d*\n?$/.test(text) ? Number(text) : undefined;
}

/** Whether the process runs with this configuration: pids are used again. One that is ending has no arguments. */
async function isHaproxy(pid: number, config: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return commandLine === '' || commandLine?.split('\0').includes(config) === true;
}

/** A zombie holds no ports; but HAProxy has threads, and they may live on, ports open, when the first has ended. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = '', threads] = [fields?.[0], Number(fields?.[17])];
  return state !== '' && !(/[ZX]/.test(state) && threads <= 1);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
