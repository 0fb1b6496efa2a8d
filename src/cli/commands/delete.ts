import { createInterface } from 'node:readline/promises';
import { desiredStateKey } from '../../schema/desired-state.ts';
import type { InstanceId } from '../../schema/ids.ts';
import { parseDurationMs } from '../duration.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { type InstanceKeys, instanceKeys, instanceRanges, noInstance, readInstance } from '../instance.ts';
import { isDeleted } from '../look-for.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { waitFor } from '../wait-for.ts';
import type { World } from '../world.ts';

interface DeleteOptions {
  readonly yes?: true;
  readonly wait?: true;
  readonly timeout: string;
}

/** `pgherd delete ID`: take an instance and its data away. */
export const remove: Register = (program, world) => {
  program
    .command('delete')
    .description('delete an instance, its nodes and its data')
    .argument('<id>', 'the instance')
    .option('-y, --yes', 'do not ask')
    .option('--wait', 'until nothing of it is left')
    .option('--timeout <duration>', 'give up waiting after', '5m')
    .addHelpText(
      'after',
      `
Asks first when run on a terminal.

Examples:
  $ pgherd delete f2
  $ pgherd delete f2 --yes --wait`,
    )
    .action(async (idText: string, _, command) => {
      const options = optionsOf<DeleteOptions>(command);
      const id = instanceIdOf(idText);
      const timeout = parseDurationMs(options.timeout);
      if (!timeout.ok) throw usageFailure(`--timeout: ${timeout.problem}`);
      await withStore(world, options, async (store, signal) => {
        const instance = await readInstance(store, id, signal);
        if (!instance.document && !instance.state) throw await noInstance(store, id, signal);
        if (instance.document) {
          refuseProtected(instance);
          if (!options.yes && world.stdin.isTTY) await ask(id, instance, world, signal);
          const key = desiredStateKey(id);
          const guard = { key, target: 'mod', op: '=', value: instance.document.modRevision } as const;
          const deleted = await store.txn({ if: [guard], then: [{ type: 'delete', key }] }, { signal });
          if (!deleted.succeeded) {
            throw new Failure(`instance ${id} was not deleted: somebody changed it meanwhile; look, and delete again`);
          }
        }
        if (options.wait) {
          await waitFor(store, instanceRanges(id), (keys) => isDeleted(instanceKeys(id, keys)), {
            ...{ world, options, signal, what: `${id} to be deleted`, timeoutMs: timeout.value },
          });
        }
      });
      world.stdout.write(options.wait ? `${id} deleted\n` : `${id} is being deleted\n`);
    });
};

// The controller would keep it running, without a document to change it by.
function refuseProtected({ id, state }: InstanceKeys): void {
  if (state?.ok && state.value.accepted?.deletion_protection) {
    throw new Failure(`instance ${id} is protected: apply it with \`deletion-protection: false\` first`);
  }
}

async function ask(id: InstanceId, { state }: InstanceKeys, world: World, signal: AbortSignal): Promise<void> {
  const nodes = state?.ok ? state.value.nodes.length : 0;
  const lines = createInterface({ input: world.stdin });
  try {
    world.stderr.write(
      `Delete instance ${id} with ${nodes} ${nodes === 1 ? 'node' : 'nodes'} and all of its data? [y/N] `,
    );
    const answer = await lines.question('', { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('nothing was deleted');
  } finally {
    lines.close();
  }
}
