import type { InstanceId } from '../../schema/ids.ts';
import { confirm } from '../confirm.ts';
import { deletionOrder, whileDeleted } from '../deleted-instance.ts';
import { optionsOf } from '../global-options.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { deletionStatus } from '../resources/deleted.ts';
import { listAll, withStore } from '../session.ts';

/** `pgherd confirm-deletions`: let deletions happen that were held because they were so many. */
export const confirmDeletions: Register = (program, world) => {
  program
    .command('confirm-deletions')
    .description('let the deletions happen that are held because so many instances went at once')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
More than 5 instances, or a tenth of the herd if that is more, deleted within ten minutes run on until they are
confirmed here, or until their documents are put back. See them with \`pgherd get deleted\`.

Example:
  $ pgherd confirm-deletions --yes`,
    )
    .action(async (_, command) => {
      const options = optionsOf<{ readonly yes?: true }>(command);
      await withStore(world, options, async (store, signal) => {
        const herd = readHerd(await listAll(store, herdRanges, signal));
        const held = [...herd.instances.values()].filter((each) => deletionStatus(each) === 'Held');
        if (held.length === 0) {
          world.stdout.write('no deletion is held\n');
          return;
        }
        const ids = held.map(({ id }) => id);
        const question = `Delete ${ids.length} instances: ${ids.join(', ')}?`;
        if (!options.yes) await confirm(question, 'nothing was confirmed', world, signal);
        for (const id of ids as InstanceId[]) {
          await whileDeleted(store, id, [deletionOrder(id, { confirmed: true })], signal);
          world.stdout.write(`${id} confirmed\n`);
        }
      });
    });
};
