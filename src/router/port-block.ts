import { readdir, readFile } from 'node:fs/promises';
import type { Logger } from '../engine/logger.ts';
import { type PortRange, readOnlyPort } from '../schema/routing.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import { Bell } from './bell.ts';
import type { Listener } from './haproxy-config.ts';
import { HaproxyError } from './haproxy-error.ts';
import { endLeftover, type HaproxyOptions, HaproxyProcess, numberOf } from './haproxy-process.ts';
import { takenPorts } from './port-check.ts';
import type { Wish } from './route.ts';
import { emptySlot, planSlot, type Slot, type SlotRole, slotName } from './slot.ts';

export interface PortBlockOptions {
  readonly range: PortRange;
  readonly bindAddress: string;
  readonly dataDir: string;
  readonly haproxyPath: string;
  readonly onExit: 'leave' | 'stop';
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where the port of this role that belongs to a public port should lead when its HAProxy starts. */
  readonly wishOf: (publicPort: number, role: SlotRole) => Wish;
  /** Called when other ports than before are served or refused. */
  readonly onChange: () => void;
  /** Called when an HAProxy is gone that nobody had stopped. */
  readonly onGone: () => void;
}

// Raised when slots change so that an older HAProxy cannot be driven any more: it is then replaced, sessions and all.
const layoutVersion = 1;
const recheckMs = 5_000;

/**
 * Keeps every port of the block served by an HAProxy, whatever happens: takes over those that a former router left,
 * starts one for the ports that nobody serves, again when it crashed. Ports that another program holds are left out and
 * tried again; once free they get a further HAProxy of their own, because a reload would stop the health checks of all
 * sessions that exist. The next full start unites them.
 */
export class PortBlock {
  readonly #options: PortBlockOptions;
  readonly #layout: string;
  readonly #ports: ReadonlyMap<number, Place>;
  readonly #processes = new Set<HaproxyProcess>();
  /** Numbers of those that are gone and not yet cleared away. */
  readonly #ending = new Set<number>();
  /** What was behind the ports of an HAProxy that crashed. */
  readonly #lastSlots = new Map<number, Slot>();
  readonly #wake = new Bell();
  #refused: readonly number[] = [];
  #problem: string | undefined = 'haproxy is not started yet';

  constructor(options: PortBlockOptions) {
    const { range, bindAddress } = options;
    this.#options = options;
    this.#layout = `pgherd router, layout ${layoutVersion}, ${bindAddress} ${range.first}-${range.last}`;
    this.#ports = portsOf(range);
  }

  /** Ports that another program holds, in order. */
  get refused(): readonly number[] {
    return this.#refused;
  }

  /** Why ports are not served that are not refused; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The HAProxy that serves this port now. */
  processOf(port: number): HaproxyProcess | undefined {
    for (const haproxy of this.#processes) if (haproxy.listeners.has(port)) return haproxy;
    return undefined;
  }

  /** Takes over what runs, keeps the block served until the signal aborts, then leaves or stops what runs. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, onChange, onExit } = this.#options;
    const backoff = new Backoff({ baseMs: 200, capMs: 10_000 });
    await this.#adoptAll(signal);
    while (!signal.aborted) {
      let waitMs: number | undefined;
      try {
        await this.#serveMissing(signal);
        if (this.#refused.length > 0) waitMs = recheckMs;
        backoff.reset();
      } catch (error) {
        // What HAProxy did not understand the first time it will not understand later.
        if (this.#processes.size === 0 && isRefusal(error) && this.#lastSlots.size === 0) throw error;
        waitMs = backoff.next();
        this.#problem = error instanceof Error ? error.message : String(error);
        logger.error({ err: error, waitMs: Math.round(waitMs) }, 'haproxy cannot be started');
        onChange();
      }
      await this.#wake.wait(signal, waitMs === undefined ? undefined : { clock, ms: waitMs });
    }
    if (onExit === 'stop') await Promise.all([...this.#processes].map((haproxy) => haproxy.stop()));
  }

  async #adoptAll(signal: AbortSignal): Promise<void> {
    const { dataDir, logger } = this.#options;
    const numbers = new Set((await readdir(dataDir)).map(numberOf).filter((number) => number !== undefined));
    for (const number of numbers) {
      const options = await this.#haproxyOptions();
      const haproxy = await HaproxyProcess.adopt(number, options);
      if (haproxy) {
        logger.info({ haproxy: number, ports: haproxy.listeners.size }, 'haproxy taken over');
        this.#take(haproxy, signal);
      } else {
        await endLeftover(number, options);
      }
    }
  }

  /** Starts an HAProxy for the ports that none serves and that can be bound. */
  async #serveMissing(signal: AbortSignal): Promise<void> {
    const { bindAddress, logger, onChange } = this.#options;
    const missing = [...this.#ports.keys()].filter((port) => !this.processOf(port));
    const taken = await takenPorts(bindAddress, missing);
    const free = missing.filter((port) => !taken.has(port));
    if (free.length > 0) {
      const numbers = [...this.#ending, ...[...this.#processes].map((haproxy) => haproxy.number)];
      const number = 1 + Math.max(0, ...numbers);
      const listeners = free.map((port) => this.#listenerOf(port));
      const haproxy = await HaproxyProcess.start(number, listeners, await this.#haproxyOptions());
      logger.info({ haproxy: number, ports: free.length }, 'haproxy started');
      this.#take(haproxy, signal);
    }
    const refused = [...taken].sort((a, b) => a - b);
    const isNews = this.#problem !== undefined || free.length > 0 || String(refused) !== String(this.#refused);
    if (refused.length > 0 && String(refused) !== String(this.#refused)) {
      logger.warn({ ports: refused }, 'ports of the block are held by another program');
    }
    this.#refused = refused;
    // Another one may have crashed meanwhile: then we are called again.
    if (this.#ending.size === 0) this.#problem = undefined;
    if (isNews) onChange();
  }

  #listenerOf(port: number): Listener {
    const { publicPort, role } = this.#ports.get(port) as Place;
    const last = this.#lastSlots.get(port) ?? emptySlot(role);
    return { port, role, slot: planSlot(slotName(role, port), last, this.#options.wishOf(publicPort, role)).next };
  }

  #take(haproxy: HaproxyProcess, signal: AbortSignal): void {
    this.#processes.add(haproxy);
    this.#watch(haproxy, signal).catch((error: unknown) => {
      this.#options.logger.error({ err: error, haproxy: haproxy.number }, 'haproxy cannot be replaced');
    });
  }

  async #watch(haproxy: HaproxyProcess, signal: AbortSignal): Promise<void> {
    const { logger, onGone } = this.#options;
    await haproxy.socket.gone(signal);
    if (signal.aborted) return;
    logger.error({ haproxy: haproxy.number }, 'haproxy is gone');
    this.#problem = 'haproxy is gone';
    this.#processes.delete(haproxy);
    this.#ending.add(haproxy.number);
    onGone();
    for (const [port, { slot }] of haproxy.listeners) this.#lastSlots.set(port, slot);
    await endLeftover(haproxy.number, await this.#haproxyOptions());
    this.#ending.delete(haproxy.number);
    this.#wake.ring();
  }

  async #haproxyOptions(): Promise<HaproxyOptions> {
    const { dataDir, haproxyPath, bindAddress, clock } = this.#options;
    const maxConnections = await connectionLimit(this.#ports.size);
    return { dataDir, haproxyPath, bindAddress, layout: this.#layout, maxConnections, clock };
  }
}

const isRefusal = (error: unknown): boolean => error instanceof HaproxyError && error.code === 'config-refused';

/** What a port of the block is for. */
interface Place {
  readonly publicPort: number;
  readonly role: SlotRole;
}

function portsOf(range: PortRange): ReadonlyMap<number, Place> {
  const ports = new Map<number, Place>();
  for (let publicPort = range.first; publicPort <= range.last; publicPort++) {
    ports.set(publicPort, { publicPort, role: 'leader' });
    ports.set(readOnlyPort(publicPort, range), { publicPort, role: 'replicas' });
  }
  return ports;
}

// Descriptors kept for health checks, the runtime API and files.
const reservedDescriptors = 1_024;

/** How many clients one HAProxy can serve with the descriptors that this process, and so its child, may open. */
async function connectionLimit(listeners: number): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const descriptors = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? 1_000_000);
  const perClient = 2;
  return Math.min(50_000, Math.max(100, Math.floor((descriptors - listeners - reservedDescriptors) / perClient)));
}
