import { candidatesFor } from '../candidates.ts';
import { optionsOf } from '../global-options.ts';
import { readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { kindsNamed } from '../resources/kinds.ts';
import { listAll, withStore } from '../session.ts';

/** `pgherd __complete -- WORDS`: what could come next, a line each; for the scripts of `pgherd completion`. */
export const complete: Register = (program, world) => {
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .addHelpText('after', '\nExample:\n  $ pgherd __complete -- get ""')
    .action(async (words: readonly string[], _, command) => {
      const { words: known, idsOf } = candidatesFor(program, words);
      const last = words.at(-1) ?? '';
      const print = (found: readonly string[]) => {
        for (const word of found) if (word.startsWith(last)) world.stdout.write(`${word}\n`);
      };
      print(known);
      const options = optionsOf(command);
      // Whoever presses a key twice does not want to read that there is no etcd.
      if (idsOf.length === 0 || !options.etcd) return;
      await withStore(world, options, async (store, signal) => {
        for (const kind of kindsNamed(idsOf.join(','))) {
          print(kind.rows(readHerd(await listAll(store, kind.ranges, signal))).map(kind.id));
        }
      });
    });
};
