import { keysOf, maxTxnOps, type Op, type TxnRequest, type TxnResult } from '../../../src/store/store.ts';
import type { Clock } from '../../../src/time/clock.ts';
import type { Simulation } from '../../controller/support/simulation.ts';
import { claim } from '../claim.ts';
import { Blindness } from './blindness.ts';
import { Copies } from './copies.ts';
import { Grace } from './grace.ts';
import { Places } from './places.ts';
import { Ports } from './ports.ts';
import type { Promised } from './promise.ts';
import { Secrets } from './secrets.ts';
import { Status } from './status.ts';

/**
 * The promises of the design, looked at after every step and around every transaction of a controller:
 *
 * - P1 ports, P2 places, P5 copies, P7 blindness, P8 grace, P9 status, P11 secrets: the file of that name.
 * - P3 the end of every history, in `run.ts`: where a fresh create ends, and then no writes.
 * - P4 here: whatever changes the herd is fenced.
 * - P6 is the routers' and P12 the cells': `test/router`, `test/cell/proved-release.test.ts`.
 * - P10: documents that cannot be read are among the steps; all else that may be unreadable is in the table of
 *   `test/controller/decide/failing-closed.test.ts`.
 */
export class Promises {
  readonly secrets: Secrets;
  readonly #all: readonly Promised[];
  /** Transactions of controllers that changed something. */
  writes = 0;

  constructor(simulation: Simulation, clock: Clock, deletionGraceMs: number) {
    const { world } = simulation;
    this.secrets = new Secrets(world);
    this.#all = [
      new Ports(world),
      new Places(simulation),
      new Copies(simulation),
      new Blindness(simulation, clock),
      ...(deletionGraceMs > 0 ? [new Grace(world)] : []),
      new Status(world),
      this.secrets,
    ];
  }

  /** Judges a controller's transaction by what it does to the key space. */
  transaction(request: TxnRequest, apply: () => TxnResult): TxnResult {
    const isFenced = request.if.some(({ key }) => key === '/pgherd/leader');
    if (!request.then.some(writesHerd)) return apply();
    claim(isFenced, 'a write of the herd is fenced');
    claim(request.then.length <= maxTxnOps, 'operations of a transaction');
    claim(request.if.length <= maxTxnOps, 'comparisons of a transaction');
    const judges = this.#all.map((promise) => promise.transaction?.(request));
    const result = apply();
    if (!result.succeeded) return result;
    this.writes += 1;
    for (const judge of judges) judge?.();
    return result;
  }

  /** What holds at every moment. */
  look(): void {
    for (const promise of this.#all) promise.look?.();
  }
}

/** Whether an operation changes anything but events and elections. */
const writesHerd = (op: Op): boolean => keysOf(op).some((key) => !key.startsWith('/pgherd/'));
