import type { Op } from '../store/store.ts';
import type { Decision } from './decide/decision.ts';

type Due = Pick<Decision, 'compares' | 'ops'>;

/**
 * The keys that the decisions of one transaction look at and write. A decision may join them when it would be the same
 * decision after all of them, and all of them the same after it; only what several raise is shared.
 */
export class TouchedKeys {
  readonly #mostOps: number;
  readonly #compared = new Set<string>();
  readonly #written = new Set<string>();
  readonly #raised = new Set<string>();
  #isClosed = false;

  /** Decisions of more conditions or operations than `mostOps` stay alone. */
  constructor(mostOps: number) {
    this.#mostOps = mostOps;
  }

  add(due: Due): void {
    for (const { key } of due.compares) this.#compared.add(key);
    for (const op of due.ops) if ('key' in op) (op.type === 'raise' ? this.#raised : this.#written).add(op.key);
    if (!this.#mayShare(due)) this.#isClosed = true;
  }

  isFree(due: Due): boolean {
    if (this.#isClosed || !this.#mayShare(due)) return false;
    return due.compares.every(({ key }) => !this.#changes(key)) && due.ops.every((op) => this.#isFreeFor(op));
  }

  #isFreeFor(op: Op): boolean {
    if (!('key' in op) || this.#compared.has(op.key)) return false;
    return op.type === 'raise' ? !this.#written.has(op.key) : !this.#changes(op.key);
  }

  #changes(key: string): boolean {
    return this.#written.has(key) || this.#raised.has(key);
  }

  // A range may hold any key, and a transaction within a transaction has no room for another.
  #mayShare({ compares, ops }: Due): boolean {
    const isSimple = ops.every(({ type }) => type === 'put' || type === 'delete' || type === 'raise');
    return isSimple && Math.max(compares.length, ops.length) <= this.#mostOps;
  }
}
