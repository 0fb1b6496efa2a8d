import { Argument } from 'commander';
import type { CellId } from '../../schema/ids.ts';
import type { Store } from '../../store/store.ts';
import { putMaintenance, readCell } from '../cell-keys.ts';
import { durationOf } from '../duration-option.ts';
import { Failure } from '../failure.ts';
import { type GlobalOptions, optionsOf } from '../global-options.ts';
import type { Herd } from '../herd.ts';
import { cellIdOf } from '../ids.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { listAll, withStore } from '../session.ts';
import { nodeStatus } from '../status.ts';
import { describeStaying } from '../stays.ts';
import { waitFor } from '../wait-for.ts';

interface ForgetOptions extends GlobalOptions {
  readonly acceptDataLoss?: true;
  readonly timeout: string;
}

/** `pgherd forget cell ID`: the hardware is gone for good, with what was on it. */
export const forget: Register = (program, world) => {
  program
    .command('forget')
    .description('give up a cell whose hardware is gone for good: replace its nodes without waiting for it')
    .addArgument(new Argument('<kind>', 'what').choices(['cell']))
    .argument('<id>', 'which')
    .option('--accept-data-loss', 'also when the only copy of an instance is on it')
    .option('--timeout <duration>', 'give up waiting after', '30m')
    .addHelpText(
      'after',
      `
Waits until every node is replaced; Ctrl-C ends the command, not the forgetting.
Should the cell come back, it stops what it still runs and keeps the data aside.

Example:
  $ pgherd forget cell cell-1`,
    )
    .action(async (_kind: string, name: string, _, command) => {
      const options = optionsOf<ForgetOptions>(command);
      const id = cellIdOf(name);
      const timeoutMs = durationOf('--timeout', options.timeout);
      await withStore(world, options, async (store, signal) => {
        const cell = await readCell(store, id, signal);
        if (cell.isRegistered) {
          throw new Failure(`cell ${id} is there: drain it, then stop its agent, then forget it`);
        }
        if (!options.acceptDataLoss) refuseLastCopies(await look(store, signal), id);
        const since = new Date(world.clock.now()).toISOString();
        const loss = options.acceptDataLoss && { accept_data_loss: true };
        await putMaintenance(store, id, cell, { mode: 'forget', reason: '', since, ...loss }, signal);
        await waitFor(
          store,
          herdRanges,
          (keys) => {
            const herd = readHerd(keys);
            const left = herd.cells.get(id);
            if (!left) return { done: true };
            return { done: false, waitsFor: describeStaying(herd, left).join('; ') || 'the controller' };
          },
          { world, options, signal, what: `cell ${id} to be forgotten`, timeoutMs },
        );
      });
      world.stdout.write(`${id} is forgotten\n`);
    });
};

const look = async (store: Store, signal: AbortSignal): Promise<Herd> =>
  readHerd(await listAll(store, herdRanges, signal));

function refuseLastCopies(herd: Herd, id: CellId): void {
  const last = (herd.cells.get(id)?.nodes ?? []).filter(({ id: node, instance }) => {
    const others = herd.instances.get(instance)?.nodes.filter((other) => other.id !== node) ?? [];
    return !others.some((other) => nodeStatus(other, herd).role === 'leader');
  });
  if (last.length === 0) return;
  const names = [...new Set(last.map(({ instance }) => instance))].join(', ');
  throw new Failure(
    `cell ${id} has the last copy of ${names}: bring it back; or add --accept-data-loss if that data may be lost`,
  );
}
