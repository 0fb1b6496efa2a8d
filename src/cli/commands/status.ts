import { summarize } from '../fleet-summary.ts';
import { optionsOf } from '../global-options.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { listAll, withStore } from '../session.ts';

/** `pgherd status`: the herd on one screen. */
export const status: Register = (program, world) => {
  program
    .command('status')
    .description('the herd on one screen: instances, cells, room, what is in progress, the oldest problems')
    .addHelpText('after', '\nExample:\n  $ pgherd status')
    .action(async (_, command) => {
      await withStore(world, optionsOf(command), async (store, signal) => {
        world.stdout.write(summarize(readHerd(await listAll(store, herdRanges, signal)), world.clock.now()));
      });
    });
};
