import { type AccountOptions, accountOption, credentialOf, uriOf } from '../account.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { readState } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd uri ID`: what clients connect with. */
export const uri: Register = (program, world) => {
  program
    .command('uri')
    .description('print the connection URI of an instance, with its password')
    .argument('<id>', 'the instance')
    .addOption(accountOption())
    .option('--read-only', 'of the endpoint that leads to replicas')
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd uri example
  $ psql "$(pgherd uri example --user admin)"`,
    )
    .action(async (idText: string, _, command) => {
      const options = optionsOf<AccountOptions>(command);
      const id = instanceIdOf(idText);
      const state = await withStore(world, options, (store, signal) => readState(store, id, signal));
      world.stdout.write(`${uriOf(credentialOf(state, options))}\n`);
    });
};
