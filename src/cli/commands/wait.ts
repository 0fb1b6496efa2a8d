import { conditionTypes } from '../../schema/observed-state.ts';
import { parseDurationMs } from '../duration.ts';
import { usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { instanceKeys, instanceRanges, noInstance, readInstance } from '../instance.ts';
import { lookFor } from '../look-for.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { didYouMean } from '../similar.ts';
import { waitFor } from '../wait-for.ts';

interface WaitCommandOptions {
  readonly for: string;
  readonly timeout: string;
}

/** `pgherd wait ID`: until an instance is what one wants it to be. */
export const wait: Register = (program, world) => {
  program
    .command('wait')
    .description('wait until an instance is ready, deleted, or has a condition')
    .argument('<id>', 'the instance')
    .option('--for <condition>', `${conditionTypes.join(', ')}, each also as CONDITION=False; or Deleted`, 'Ready')
    .option('--timeout <duration>', 'give up after', '5m')
    .addHelpText(
      'after',
      `
Ends with 3 after the timeout.

Examples:
  $ pgherd wait example
  $ pgherd wait example --for=Degraded=False --timeout 30s
  $ pgherd wait example --for=Deleted`,
    )
    .action(async (idText: string, _, command) => {
      const options = optionsOf<WaitCommandOptions>(command);
      const id = instanceIdOf(idText);
      const look = lookFor(options.for);
      if (!look) {
        const names = ['Deleted', ...conditionTypes];
        const hint = didYouMean(options.for, names) || ` Use one of ${names.join(', ')}`;
        throw usageFailure(`unknown condition ${JSON.stringify(options.for)}.${hint}`);
      }
      const timeout = parseDurationMs(options.timeout);
      if (!timeout.ok) throw usageFailure(`--timeout: ${timeout.problem}`);
      await withStore(world, options, async (store, signal) => {
        const now = await readInstance(store, id, signal);
        if (options.for !== 'Deleted' && !now.document && !now.state) throw await noInstance(store, id, signal);
        const what = `${id} to be ${options.for}`;
        await waitFor(store, instanceRanges(id), (keys) => look(instanceKeys(id, keys)), {
          ...{ world, options, signal, what, timeoutMs: timeout.value },
        });
      });
      world.stdout.write(`${id} is ${options.for}\n`);
    });
};
