import type { Logger } from '../engine/logger.ts';
import { type PortRange, readOnlyPort } from '../schema/routing.ts';
import { Backoff } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import { Bell } from './bell.ts';
import { HaproxyError } from './haproxy-error.ts';
import type { HaproxyProcess } from './haproxy-process.ts';
import type { PortBlock } from './port-block.ts';
import { closed, type Wish } from './route.ts';
import type { RoutingView } from './routing-view.ts';
import { emptySlot, planSlot, type Server, type SlotRole, slotName } from './slot.ts';

export interface RouteApplierOptions {
  readonly view: RoutingView;
  readonly block: PortBlock;
  readonly range: PortRange;
  /** Everything up to this revision is in the view. */
  readonly viewRevision: () => bigint;
  /** Whether the store may be believed; asked before anything is done for the first time, and before ports are closed. */
  readonly isTrusted: () => Promise<boolean>;
  /** Every route that follows from the keys up to `revision` is live, `tookMs` after they were seen. */
  readonly onApplied: (revision: bigint, ports: ReadonlySet<number>, tookMs: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One port of an HAProxy, and what should be behind it. */
interface Target {
  readonly haproxy: HaproxyProcess;
  readonly port: number;
  readonly role: SlotRole;
  readonly wish: Wish;
}

/**
 * Makes HAProxy agree with the view: takes the ports whose routes may have changed, plans their slots, sends all
 * commands, and again. What changes meanwhile waits for the next round, so a storm of changes becomes a few big rounds.
 */
export class RouteApplier {
  readonly #options: RouteApplierOptions;
  readonly #bell = new Bell();
  readonly #broken = new Set<number>();
  #waiting = new Set<number>();
  #waitingSinceMs: number | undefined;
  #lastRevision: bigint | undefined;
  /** Since when something seen is not live. */
  #dueSinceMs: number | undefined;

  constructor(options: RouteApplierOptions) {
    this.#options = options;
  }

  /** Ports whose commands HAProxy did not accept: what is behind them is not what should be. */
  get broken(): ReadonlySet<number> {
    return this.#broken;
  }

  /** How long the oldest change that was seen has not been live; 0 when all are. */
  get unappliedMs(): number {
    return this.#dueSinceMs === undefined ? 0 : this.#options.clock.monotonic() - this.#dueSinceMs;
  }

  /** Has the routes of these public ports looked at now; with none, only what is applied is told again. */
  look(publicPorts: Iterable<number>): void {
    for (const port of publicPorts) this.#waiting.add(port);
    this.#waitingSinceMs ??= this.#options.clock.monotonic();
    this.#dueSinceMs ??= this.#waitingSinceMs;
    this.#bell.ring();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, onApplied } = this.#options;
    const backoff = new Backoff({ baseMs: 50, capMs: 1_000 });
    for (;;) {
      await this.#bell.wait(signal);
      if (signal.aborted) return;
      const ports = this.#waiting;
      const sinceMs = this.#waitingSinceMs ?? clock.monotonic();
      this.#waiting = new Set();
      this.#waitingSinceMs = undefined;
      const revision = this.#options.viewRevision();
      // What is started while this round waits has not got these routes from us; it calls for a round of its own.
      const isServed = this.#options.block.problem === undefined;
      try {
        if (!(await this.#apply(ports, revision))) continue;
        this.#lastRevision = revision;
        if (isServed) {
          this.#dueSinceMs = this.#waitingSinceMs;
          onApplied(revision, ports, clock.monotonic() - sinceMs);
        }
        backoff.reset();
      } catch (error) {
        const waitMs = backoff.next();
        logger.warn({ err: error, waitMs: Math.round(waitMs) }, 'routes cannot be applied');
        this.look(ports);
        this.#waitingSinceMs = sinceMs;
        await clock.sleep(waitMs, signal).catch(() => {});
      }
    }
  }

  /** Resolves to false when the store is not to be believed: then nothing was changed. */
  async #apply(publicPorts: Iterable<number>, revision: bigint): Promise<boolean> {
    const { isTrusted } = this.#options;
    const targets = this.#targets(publicPorts);
    const mustAsk = this.#lastRevision === undefined || revision < this.#lastRevision;
    if ((mustAsk || targets.some(closes)) && !(await isTrusted())) return false;
    for (const haproxy of new Set(targets.map((target) => target.haproxy))) {
      await this.#send(
        haproxy,
        targets.filter((target) => target.haproxy === haproxy),
      );
    }
    return true;
  }

  #targets(publicPorts: Iterable<number>): Target[] {
    const { view, block, range } = this.#options;
    const targets: Target[] = [];
    const add = (port: number, role: SlotRole, wish: Wish) => {
      const haproxy = block.processOf(port);
      if (haproxy) targets.push({ haproxy, port, role, wish });
    };
    for (const publicPort of publicPorts) {
      const route = view.route(publicPort);
      add(publicPort, 'leader', route.leader);
      add(readOnlyPort(publicPort, range), 'replicas', route.replicas);
    }
    return targets;
  }

  async #send(haproxy: HaproxyProcess, targets: readonly Target[]): Promise<void> {
    await haproxy.refresh();
    const plans = targets.map(plan).filter(({ commands }) => commands.length > 0);
    try {
      if (plans.length > 0) await haproxy.apply(plans);
      for (const { port } of targets) this.#broken.delete(port);
    } catch (error) {
      if (!(error instanceof HaproxyError && error.code === 'command-refused')) throw error;
      const [target, ...others] = targets;
      if (target && others.length === 0) {
        this.#broken.add(target.port);
        this.#options.logger.error({ err: error, port: target.port }, 'route cannot be applied');
      } else {
        // One port shall not hold up all others.
        for (const each of targets) await this.#send(haproxy, [each]);
      }
    }
  }
}

/** Whether a port that is in use is given back. */
const closes = ({ haproxy, port, wish }: Target): boolean =>
  wish === closed && haproxy.listeners.get(port)?.slot.some(isInUse) === true;

const isInUse = (server: Server): boolean => server.admin !== 'maint';

function plan({ haproxy, port, role, wish }: Target) {
  const slot = haproxy.listeners.get(port)?.slot ?? emptySlot(role);
  return { port, ...planSlot(slotName(role, port), slot, wish) };
}
