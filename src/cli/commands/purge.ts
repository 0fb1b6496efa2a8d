import { confirm } from '../confirm.ts';
import { deletionOrder, readDeleted, whileDeleted } from '../deleted-instance.ts';
import { parseDurationMs } from '../duration.ts';
import { usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { instanceKeys, instanceRanges } from '../instance.ts';
import { isDeleted } from '../look-for.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { waitFor } from '../wait-for.ts';

interface PurgeOptions {
  readonly yes?: true;
  readonly wait?: true;
  readonly timeout: string;
}

/** `pgherd purge ID`: erase a deleted instance now. */
export const purge: Register = (program, world) => {
  program
    .command('purge')
    .description('erase the data of a deleted instance now instead of after its grace: there is no way back')
    .argument('<id>', 'the instance; see `pgherd get deleted`')
    .option('-y, --yes', 'do not ask')
    .option('--wait', 'until nothing of it is left')
    .option('--timeout <duration>', 'give up waiting after', '5m')
    .addHelpText('after', '\nAsks first when run on a terminal.\n\nExample:\n  $ pgherd purge f2 --yes --wait')
    .action(async (idText: string, _, command) => {
      const options = optionsOf<PurgeOptions>(command);
      const id = instanceIdOf(idText);
      const timeout = parseDurationMs(options.timeout);
      if (!timeout.ok) throw usageFailure(`--timeout: ${timeout.problem}`);
      await withStore(world, options, async (store, signal) => {
        const { nodes, accepted } = await readDeleted(store, id, signal);
        const count = `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`;
        const question = accepted?.adopted
          ? `Forget adopted instance ${id} and give up its port? Its members run on.`
          : `Erase all data of instance ${id} on ${count}, for ever?`;
        if (!options.yes) await confirm(question, 'nothing was erased', world, signal);
        await whileDeleted(store, id, [deletionOrder(id, { confirmed: true, purge: true })], signal);
        if (!options.wait) return;
        await waitFor(store, instanceRanges(id), (keys) => isDeleted(instanceKeys(id, keys)), {
          ...{ world, options, signal, what: `${id} to be erased`, timeoutMs: timeout.value },
        });
      });
      world.stdout.write(options.wait ? `${id} erased\n` : `${id} is being erased\n`);
    });
};
