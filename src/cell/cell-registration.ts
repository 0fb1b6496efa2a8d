import type { Logger } from '../engine/logger.ts';
import { type CellRegistration as CellDocument, registeredPrefix } from '../schema/cell.ts';
import type { CellId } from '../schema/ids.ts';
import { Registry } from '../store/registry.ts';
import { RegistryNamespace } from '../store/registry-namespace.ts';
import type { Lease, Store } from '../store/store.ts';
import type { Clock } from '../time/clock.ts';

const lookIntervalMs = 5_000;

export interface CellRegistrationOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly cell: CellId;
  /** There is a new lease, on which everything of the cell is to hang. */
  readonly onLease: (lease: Lease) => void;
  /** Looks around for problems, before each time that the cell is described. */
  readonly look: (signal: AbortSignal) => Promise<void>;
  /** What the registration says of the cell now. */
  readonly describe: () => CellDocument;
}

/** Keeps `/cells/registered/<cell>` in the store, saying what is true, on a lease of the cell's own. */
export async function keepRegistered(options: CellRegistrationOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, logger, cell, onLease, look, describe } = options;
  const say = async (until: AbortSignal): Promise<void> => {
    await look(until);
    registry.publish(cell, JSON.stringify(describe()));
  };
  const registry = new Registry({
    ...{ store, clock, namespace: new RegistryNamespace(store, registeredPrefix) },
    async onHeld(lease, held) {
      onLease(lease);
      // What was said on the last lease may not be true any more.
      await say(held);
    },
    onTrouble: (err) => logger.warn({ err }, 'registration failed'),
  });
  const lookAround = async (): Promise<void> => {
    while (!signal.aborted) {
      await clock.sleep(lookIntervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      await say(signal).catch((err: unknown) => {
        if (!signal.aborted) logger.debug({ err }, 'registration cannot be looked at');
      });
    }
  };
  await Promise.all([registry.run(signal), lookAround()]);
}
