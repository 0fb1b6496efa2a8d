import { desiredStateKey } from '../../schema/desired-state.ts';
import { printInstanceSpec } from '../../schema/print-instance-spec.ts';
import { readDeleted, whileDeleted } from '../deleted-instance.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd undelete ID`: put the document of a deleted instance back. */
export const undelete: Register = (program, world) => {
  program
    .command('undelete')
    .description('put the last accepted document of a deleted instance back: same rows, port and credentials')
    .argument('<id>', 'the instance; see `pgherd get deleted`')
    .addHelpText('after', '\nExample:\n  $ pgherd undelete f2')
    .action(async (idText: string, _, command) => {
      const id = instanceIdOf(idText);
      await withStore(world, optionsOf(command), async (store, signal) => {
        const { accepted, allocated_port: port } = await readDeleted(store, id, signal);
        if (!accepted) throw new Failure(`instance ${id} never had a document that was accepted: apply one`);
        const document = { type: 'put', key: desiredStateKey(id), value: printInstanceSpec(accepted) } as const;
        await whileDeleted(store, id, [document], signal);
        world.stdout.write(`${id} is being restored${port === undefined ? '' : ` on port ${port}`}\n`);
      });
    });
};
