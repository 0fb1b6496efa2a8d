import { printInstanceSpec } from '../../schema/print-instance-spec.ts';
import { changeDocument } from '../change-document.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import type { InstanceKeys } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd rollback ID`: back to the last document that was fully rolled out. */
export const rollback: Register = (program, world) => {
  program
    .command('rollback')
    .description('put the last document back that was true on all nodes of an instance')
    .argument('<id>', 'the instance')
    .option('--dry-run', 'only print that document')
    .addHelpText('after', '\nExample:\n  $ pgherd rollback f2')
    .action(async (idText: string, _, command) => {
      const options = optionsOf<{ readonly dryRun?: true }>(command);
      const id = instanceIdOf(idText);
      await withStore(world, options, async (store, signal) => {
        let text = '';
        const change = (present: string, instance: InstanceKeys): string => {
          text = before(instance);
          return options.dryRun ? present : text;
        };
        const isNew = await changeDocument(store, id, change, signal);
        if (options.dryRun) world.stdout.write(text);
        else world.stdout.write(isNew ? `${id} is rolled back\n` : `${id} unchanged\n`);
      });
    });
};

function before({ id, document, state }: InstanceKeys): string {
  const seen = state?.ok ? state.value : undefined;
  if (!seen || seen.observed_generation !== String(document?.modRevision)) {
    throw new Failure(`the controller has not looked at the document of ${id} yet: nothing says what was before it`);
  }
  if (seen.rolled_out) return printInstanceSpec(seen.rolled_out);
  throw new Failure(`nothing to roll back: the document of ${id} is true on all nodes, or none was before it`);
}
