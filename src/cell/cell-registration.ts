import type { Logger } from '../engine/logger.ts';
import { type CellRegistration as CellDocument, registeredKey } from '../schema/cell.ts';
import type { CellId } from '../schema/ids.ts';
import type { Lease, Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';

const lookIntervalMs = 5_000;

/** What the registration says of the cell now. */
export type DescribeCell = () => CellDocument;

/**
 * Keeps `/cells/registered/<cell>` on a lease, saying what is true: puts it when it has changed or somebody has deleted
 * it, and calls `look` before each look at it, which is where the agent looks around for problems.
 */
export async function keepRegistered(
  lease: Lease,
  {
    cell,
    describe,
    look,
    store,
    clock,
    logger,
  }: {
    cell: CellId;
    describe: DescribeCell;
    look: (signal: AbortSignal) => Promise<void>;
    store: Store;
    clock: Clock;
    logger: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const key = registeredKey(cell);
  while (!signal.aborted) {
    try {
      await look(signal);
      const value = JSON.stringify(describe());
      const { kv } = await store.get(key, { signal });
      if (kv?.value !== value || kv.leaseId !== lease.id) {
        await store.txn({ if: [], then: [{ type: 'put', key, value, leaseId: lease.id }] }, { signal });
      }
    } catch (error) {
      if (signal.aborted) return;
      logger.debug({ err: error }, 'registration cannot be looked at');
    }
    await clock.sleep(lookIntervalMs, signal).catch(() => {});
  }
}
