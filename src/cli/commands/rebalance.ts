import { type Movable, type PlannedMove, planRebalance } from '../../controller/decide/rebalance.ts';
import type { CellView as LoadedCell } from '../../controller/view/instance-view.ts';
import { moveKey } from '../../schema/cell-health.ts';
import type { CellId, NodeId } from '../../schema/ids.ts';
import type { Op, Store } from '../../store/store.ts';
import { durationOf } from '../duration-option.ts';
import { usageFailure } from '../failure.ts';
import { type GlobalOptions, optionsOf } from '../global-options.ts';
import type { CellView, Herd, NodeView } from '../herd.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { listAll, withStore } from '../session.ts';
import { nodeStatus, stateOf } from '../status.ts';
import { printTable } from '../table.ts';
import { waitFor } from '../wait-for.ts';

interface RebalanceOptions extends GlobalOptions {
  readonly dryRun?: true;
  readonly budget: string;
  readonly wait: boolean;
  readonly timeout: string;
}

/** `pgherd rebalance`: moves replicas from crowded cells to emptier ones. */
export const rebalance: Register = (program, world) => {
  program
    .command('rebalance')
    .description('move replicas from crowded cells to emptier ones, their replacements streaming first')
    .option('--dry-run', 'only say what would be moved')
    .option('--budget <count>', 'move so many at most', '5')
    .option('--no-wait', 'do not wait until they have moved')
    .option('--timeout <duration>', 'give up waiting after', '1h')
    .addHelpText(
      'after',
      `
Where a node goes is decided when it is its turn, by the same rules as for new nodes.

Examples:
  $ pgherd rebalance --dry-run
  $ pgherd rebalance --budget 20`,
    )
    .action(async (_, command) => {
      const options = optionsOf<RebalanceOptions>(command);
      const budget = Number(options.budget);
      if (!Number.isInteger(budget) || budget < 1) throw usageFailure('--budget: use a whole number from 1');
      const timeoutMs = durationOf('--timeout', options.timeout);
      await withStore(world, options, async (store, signal) => {
        const herd = readHerd(await listAll(store, herdRanges, signal));
        const moves = planRebalance(loads(herd), movables(herd), budget);
        if (moves.length === 0) {
          world.stdout.write('nothing to move: the cells are even, as far as pools, zones and room allow\n');
          return;
        }
        world.stdout.write(printTable(columns, moves));
        if (options.dryRun) return;
        await order(store, moves, new Date(world.clock.now()).toISOString(), signal);
        if (!options.wait) return;
        await waitFor(
          store,
          herdRanges,
          (keys) => {
            const now = readHerd(keys);
            const left = moves.filter(({ node }) => now.nodes.has(node)).map(({ node }) => node);
            return left.length === 0 ? { done: true } : { done: false, waitsFor: left.join(', ') };
          },
          { world, options, signal, what: `${moves.length} nodes to move`, timeoutMs },
        );
        world.stdout.write(`${moves.length} moved\n`);
      });
    });
};

const columns = [
  { heading: 'NODE', show: ({ node }: PlannedMove) => node },
  { heading: 'FROM', show: ({ from }: PlannedMove) => from },
  { heading: 'TO', show: ({ to }: PlannedMove) => to },
];

async function order(store: Store, moves: readonly PlannedMove[], since: string, signal: AbortSignal): Promise<void> {
  const value = JSON.stringify({ since });
  const ops = moves.map(({ node, from }): Op => ({ type: 'put', key: moveKey(from, node), value }));
  for (let at = 0; at < ops.length; at += 100) {
    await store.txn({ if: [], then: ops.slice(at, at + 100) }, { signal });
  }
}

const memoryOf = ({ assignment }: NodeView): number => (assignment?.ok ? assignment.value.resources.memory_mb : 0);

const loads = (herd: Herd): LoadedCell[] =>
  [...herd.cells.values()].map((cell: CellView) => ({
    id: cell.id as CellId,
    registration: cell.registration,
    inMaintenance: cell.maintenance !== undefined,
    nodes: cell.nodes.length,
    memoryMb: cell.nodes.reduce((sum, node) => sum + memoryOf(node), 0),
  }));

// Leaders stay, and nothing of an instance that is not well is touched.
function movables(herd: Herd): Movable[] {
  return [...herd.instances.values()].flatMap((instance) => {
    const state = stateOf(instance);
    const accepted = state?.accepted;
    const isWell = state?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    if (!accepted || !isWell || accepted.paused) return [];
    return instance.nodes
      .filter((node) => nodeStatus(node, herd).role === 'replica')
      .map((node) => ({
        node: node.id as NodeId,
        instance: instance.id,
        cell: node.cell as CellId,
        memoryMb: memoryOf(node),
        pool: accepted.pool,
        version: accepted.version,
        image: accepted.image,
        others: instance.nodes.filter((other) => other !== node).map(({ cell }) => cell as CellId),
      }));
  });
}
