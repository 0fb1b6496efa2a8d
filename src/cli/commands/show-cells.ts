import { desiredStatePrefix } from '../../schema/desired-state.ts';
import { parseBackendKey } from '../../schema/placement.ts';
import { prefixRange } from '../../store/store.ts';
import { optionsOf } from '../global-options.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd show-cells`: how many containers each cell holds, as the broker before pgherd printed it. */
export const showCells: Register = (program, world) => {
  program
    .command('show-cells')
    .description('print one line for each cell in use: <containers> <cell>')
    .addHelpText(
      'after',
      '\nFor programs that read it; people read `pgherd get cells`.\n\nExample:\n  $ pgherd show-cells',
    )
    .action(async (_, command) => {
      await withStore(world, optionsOf(command), async (store, signal) => {
        const { kvs } = await store.list(prefixRange(desiredStatePrefix), { signal });
        const counts = new Map<string, number>();
        for (const { key, value } of kvs) {
          if (parseBackendKey(key)) counts.set(value, (counts.get(value) ?? 0) + 1);
        }
        for (const [cell, count] of [...counts].sort()) world.stdout.write(`${count} ${cell}\n`);
      });
    });
};
