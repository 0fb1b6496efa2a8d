import { withField } from '../../schema/document-field.ts';
import { changeDocument } from '../change-document.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import type { InstanceKeys } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

const command =
  (name: string, value: true | undefined, description: string, done: string): Register =>
  (program, world) => {
    program
      .command(name)
      .description(description)
      .argument('<id>', 'the instance')
      .addHelpText('after', `\nExample:\n  $ pgherd ${name} f2`)
      .action(async (idText: string, _, self) => {
        const id = instanceIdOf(idText);
        await withStore(world, optionsOf(self), async (store, signal) => {
          const change = (document: string, { state }: InstanceKeys): string => {
            if (value && state?.ok && state.value.accepted?.adopted) {
              throw new Failure(`instance ${id} was adopted: pgherd does not stop what others run`);
            }
            const changed = withField(document, 'hibernated', value);
            if (!changed.ok) throw new Failure(`the document of instance ${id}: ${changed.problem}`);
            return changed.value;
          };
          const isNew = await changeDocument(store, id, change, signal);
          world.stdout.write(isNew ? `${id} ${done}\n` : `${id} unchanged\n`);
        });
      });
  };

/** `pgherd hibernate ID`: stop all nodes, keep everything. */
export const hibernate = command(
  'hibernate',
  true,
  'stop all nodes of an instance; data, port and credentials are kept',
  'hibernates: `pgherd wake` starts it again',
);

/** `pgherd wake ID`: start the nodes of a hibernated instance again. */
export const wake = command('wake', undefined, 'start the nodes of a hibernated instance again', 'wakes');
