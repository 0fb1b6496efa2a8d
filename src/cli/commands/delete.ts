import { desiredStateKey } from '../../schema/desired-state.ts';
import type { KeyValue } from '../../store/store.ts';
import { confirm } from '../confirm.ts';
import { deletionOrder, isStoppedOrGone } from '../deleted-instance.ts';
import { parseDurationMs, printDuration } from '../duration.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { type InstanceKeys, instanceKeys, instanceRanges, noInstance, readInstance } from '../instance.ts';
import { isDeleted } from '../look-for.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { type Look, waitFor } from '../wait-for.ts';

interface DeleteOptions {
  readonly yes?: true;
  readonly wait?: true;
  readonly purge?: true;
  readonly timeout: string;
}

/** `pgherd delete ID`: stop an instance, and have its data erased after a grace. */
export const remove: Register = (program, world) => {
  program
    .command('delete')
    .description('stop an instance, and erase its data after its deletion grace; until then `undelete` restores it')
    .argument('<id>', 'the instance')
    .option('-y, --yes', 'do not ask')
    .option('--purge', 'erase the data at once: there is no way back')
    .option('--wait', 'until its nodes are stopped, with --purge until nothing of it is left')
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
          if (!options.yes) await confirm(question(instance, options), 'nothing was deleted', world, signal);
          const key = desiredStateKey(id);
          const guard = { key, target: 'mod', op: '=', value: instance.document.modRevision } as const;
          const order = options.purge ? [deletionOrder(id, { confirmed: true, purge: true })] : [];
          const deleted = await store.txn({ if: [guard], then: [{ type: 'delete', key }, ...order] }, { signal });
          if (!deleted.succeeded) {
            throw new Failure(`instance ${id} was not deleted: somebody changed it meanwhile; look, and delete again`);
          }
        }
        if (!options.wait) {
          world.stdout.write(`${id} is being deleted${options.purge ? '' : whatNext(instance)}\n`);
          return;
        }
        const what = `${id} to be ${options.purge ? 'erased' : 'stopped'}`;
        const look = (keys: readonly KeyValue[]): Look => {
          const now = instanceKeys(id, keys);
          return !options.purge && isStoppedOrGone(now) ? { done: true } : isDeleted(now);
        };
        await waitFor(store, instanceRanges(id), look, { world, options, signal, what, timeoutMs: timeout.value });
        const { state } = await readInstance(store, id, signal);
        const eraseAt = state?.ok ? state.value.deleted?.erase_at : undefined;
        const rest = isAdopted(instance) ? 'its members run on, its port is kept' : 'everything is kept';
        const kept = eraseAt === undefined ? '' : `; ${rest} until ${eraseAt}: \`pgherd undelete ${id}\``;
        world.stdout.write(`${id} deleted${kept}\n`);
      });
    });
};

const acceptedOf = ({ state }: InstanceKeys) => (state?.ok ? state.value.accepted : undefined);

const isAdopted = (instance: InstanceKeys): boolean => acceptedOf(instance)?.adopted === true;

function whatNext(instance: InstanceKeys): string {
  const graceSeconds = acceptedOf(instance)?.deletion_grace_seconds;
  if (graceSeconds === 0) return '';
  const grace = graceSeconds === undefined ? 'the deletion grace of the herd' : printDuration(graceSeconds * 1000);
  const what = isAdopted(instance)
    ? `its members run on, and its port goes after ${grace}`
    : `its nodes stop now, and its data are erased after ${grace}`;
  return `: ${what}; until then \`pgherd undelete ${instance.id}\` restores it`;
}

function question(instance: InstanceKeys, { purge }: DeleteOptions): string {
  const { id, state } = instance;
  if (isAdopted(instance)) return `Forget adopted instance ${id} and give up its port? Its members run on.`;
  const nodes = state?.ok ? state.value.nodes.length : 0;
  const data = purge ? 'erase all of its data at once' : 'erase its data after its deletion grace';
  return `Delete instance ${id} with ${nodes} ${nodes === 1 ? 'node' : 'nodes'} and ${data}?`;
}

// The controller would keep it running, without a document to change it by.
function refuseProtected({ id, state }: InstanceKeys): void {
  if (state?.ok && state.value.accepted?.deletion_protection) {
    throw new Failure(`instance ${id} is protected: apply it with \`deletion-protection: false\` first`);
  }
}
