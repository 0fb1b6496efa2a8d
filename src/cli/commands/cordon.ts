import { putMaintenance, readCell } from '../cell-keys.ts';
import { optionsOf } from '../global-options.ts';
import { cellIdOf } from '../ids.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd cordon CELL`: no new nodes there. */
export const cordon: Register = (program, world) => {
  program
    .command('cordon')
    .description('let a cell take no new nodes; those that it has stay')
    .argument('<cell>', 'the cell')
    .option('--reason <text>', 'why, for others', '')
    .addHelpText('after', "\nExample:\n  $ pgherd cordon cell-1 --reason 'a new disk on Monday'")
    .action(async (name: string, _, command) => {
      const options = optionsOf<{ readonly reason: string }>(command);
      const id = cellIdOf(name);
      await withStore(world, options, async (store, signal) => {
        const cell = await readCell(store, id, signal);
        const since = new Date(world.clock.now()).toISOString();
        await putMaintenance(store, id, cell, { mode: 'cordon', reason: options.reason, since }, signal);
      });
      world.stdout.write(`${id} is cordoned\n`);
    });
};

/** `pgherd uncordon CELL`: takes nodes again, and is not drained any more. */
export const uncordon: Register = (program, world) => {
  program
    .command('uncordon')
    .description('let a cell take nodes again; ends a drain')
    .argument('<cell>', 'the cell')
    .addHelpText('after', '\nExample:\n  $ pgherd uncordon cell-1')
    .action(async (name: string, _, command) => {
      const id = cellIdOf(name);
      let was = false;
      await withStore(world, optionsOf(command), async (store, signal) => {
        const cell = await readCell(store, id, signal);
        was = cell.maintenanceRevision > 0n;
        if (was) await putMaintenance(store, id, cell, undefined, signal);
      });
      world.stdout.write(was ? `${id} takes nodes again\n` : `${id} was not cordoned\n`);
    });
};
