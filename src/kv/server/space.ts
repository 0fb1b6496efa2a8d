import type { Backend } from '../backend.ts';
import { KvError } from '../kv-error.ts';
import type { RequestOp, TxnRequest } from '../messages.ts';

export type Alarm = 'NOSPACE' | 'CORRUPT';

const alarms: readonly Alarm[] = ['NOSPACE', 'CORRUPT'];
const metaName = (alarm: Alarm): string => `alarm/${alarm}`;

/** One alarm, and the member that it was raised for: 0, if whoever raised it named none. */
export interface ActiveAlarm {
  readonly alarm: Alarm;
  readonly memberId: bigint;
}

/** Alarms stop what would add data until an operator disarms them; deletions and compaction always go through. */
export class Space {
  readonly #backend: Backend;
  readonly #active = new Map<Alarm, bigint>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Again when another server on the same data may have raised or disarmed one. */
  load(): Promise<void> {
    return this.#inTurn(async () => {
      for (const alarm of alarms) {
        const kept = await this.#backend.getMeta(metaName(alarm));
        if (kept) this.#active.set(alarm, BigInt(kept.toString()));
        else this.#active.delete(alarm);
      }
    });
  }

  get active(): readonly ActiveAlarm[] {
    return [...this.#active].map(([alarm, memberId]) => ({ alarm, memberId }));
  }

  async raise(alarm: Alarm, memberId: bigint): Promise<void> {
    if (this.#active.has(alarm)) return;
    this.#active.set(alarm, memberId);
    await this.#inTurn(async () => {
      await this.#backend.setMeta(metaName(alarm), Buffer.from(memberId.toString()));
      this.#active.set(alarm, memberId);
    });
  }

  disarm(alarm: Alarm): Promise<void> {
    return this.#inTurn(async () => {
      await this.#backend.setMeta(metaName(alarm), undefined);
      this.#active.delete(alarm);
    });
  }

  /** What was read before a change must not come after it. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Refuses while an alarm is on. */
  requireRoom(): void {
    if (this.#active.size === 0) return;
    if (this.#active.has('CORRUPT')) throw new KvError('Unknown', 'etcdserver: corrupt cluster');
    throw new KvError('ResourceExhausted', 'etcdserver: mvcc: database space exceeded');
  }
}

/** Whether a transaction could add data. */
export const puts = ({ success, failure }: TxnRequest): boolean => success.some(isPut) || failure.some(isPut);

const isPut = (op: RequestOp): boolean => op.kind === 'put' || (op.kind === 'txn' && puts(op.request));
