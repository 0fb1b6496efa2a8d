import { desiredStatePrefix } from '../../schema/desired-state.ts';
import { fenceKey } from '../../schema/fence.ts';
import type { InstanceId, NodeId } from '../../schema/ids.ts';
import { leaderKey } from '../../schema/patroni.ts';
import { backendKey, parseBackendKey } from '../../schema/placement.ts';
import { prefixRange, type Store } from '../../store/store.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { didYouMean } from '../similar.ts';

/** `pgherd fence NODE`: stop a node and leave it as it is. */
export const fence: Register = (program, world) => {
  program
    .command('fence')
    .description('stop a node and leave it as it is: it is neither started nor replaced; a leader hands over first')
    .argument('<node>', 'the node; see `pgherd get nodes`')
    .option('--reason <text>', 'for people', '')
    .addHelpText('after', '\nExample:\n  $ pgherd fence f2-bcdfgh --reason "looking into slow queries"')
    .action(async (node: string, _, command) => {
      const options = optionsOf<{ readonly reason: string }>(command);
      await withStore(world, options, async (store, signal) => {
        const at = await find(store, node, signal);
        const exists = { key: backendKey(at.instance, at.node), target: 'create', op: '>', value: 0n } as const;
        const put = { type: 'put', key: fenceKey(at.instance, at.node), value: options.reason || 'fenced' } as const;
        const { succeeded } = await store.txn({ if: [exists], then: [put] }, { signal });
        if (!succeeded) throw new Failure(`node ${node} is gone`);
        const { kv: leader } = await store.get(leaderKey(at.instance), { signal });
        const first = leader?.value === node ? 'it leads, so another node takes over first if there is one; ' : '';
        world.stdout.write(`${node} is fenced: ${first}\`pgherd unfence ${node}\` starts it again\n`);
      });
    });
};

/** `pgherd unfence NODE`: let a fenced node run again. */
export const unfence: Register = (program, world) => {
  program
    .command('unfence')
    .description('let a fenced node run again')
    .argument('<node>', 'the node')
    .addHelpText('after', '\nExample:\n  $ pgherd unfence f2-bcdfgh')
    .action(async (node: string, _, command) => {
      await withStore(world, optionsOf(command), async (store, signal) => {
        const at = await find(store, node, signal);
        const key = fenceKey(at.instance, at.node);
        const exists = { key, target: 'create', op: '>', value: 0n } as const;
        const { succeeded } = await store.txn({ if: [exists], then: [{ type: 'delete', key }] }, { signal });
        world.stdout.write(succeeded ? `${node} starts again\n` : `${node} was not fenced\n`);
      });
    });
};

async function find(store: Store, node: string, signal: AbortSignal): Promise<{ instance: InstanceId; node: NodeId }> {
  const { kvs } = await store.list(prefixRange(desiredStatePrefix), { signal });
  const nodes = kvs.flatMap(({ key }) => parseBackendKey(key) ?? []);
  const found = nodes.find((each) => each.node === node);
  if (found) return found;
  throw new Failure(
    `no node ${JSON.stringify(node)}.${
      didYouMean(
        node,
        nodes.map((each) => each.node),
      ) || ' See `pgherd get nodes`'
    }`,
  );
}
