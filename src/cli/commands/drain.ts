import type { Maintenance } from '../../schema/cell.ts';
import type { CellId } from '../../schema/ids.ts';
import type { Store } from '../../store/store.ts';
import { type CellKeys, putMaintenance, readCell } from '../cell-keys.ts';
import { printDuration } from '../duration.ts';
import { durationOf } from '../duration-option.ts';
import { Failure } from '../failure.ts';
import { follow } from '../follow.ts';
import { type GlobalOptions, optionsOf } from '../global-options.ts';
import { cellIdOf } from '../ids.ts';
import { commandLogger } from '../logging.ts';
import { herdRanges, readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { describeStaying } from '../stays.ts';
import type { World } from '../world.ts';

interface DrainOptions extends GlobalOptions {
  readonly deadline?: string;
  readonly reason: string;
  readonly wait: boolean;
}

const defaultDeadline = '1h';

/** `pgherd drain CELL`: moves every node to other cells, without an outage, until it is done or its time is over. */
export const drain: Register = (program, world) => {
  program
    .command('drain')
    .description('move all nodes of a cell elsewhere: leaders switched over first, replacements streaming first')
    .argument('<cell>', 'the cell')
    .option('--deadline <duration>', `give up after; ${defaultDeadline} unless it was given before`)
    .option('--reason <text>', 'why, for others', '')
    .option('--no-wait', 'only begin; `pgherd drain` again shows how far it is')
    .addHelpText(
      'after',
      `
Ctrl-C ends the command, not the drain: run it again to go on watching; \`pgherd uncordon\` ends the drain.
At the deadline it lists what stayed and why, and ends with 1; the cell stays cordoned.

Examples:
  $ pgherd drain cell-1
  $ pgherd drain cell-1 --deadline 20m --reason 'new kernel'`,
    )
    .action(async (name: string, _, command) => {
      const options = optionsOf<DrainOptions>(command);
      const id = cellIdOf(name);
      await withStore(world, options, async (store, signal) => {
        const cell = await readCell(store, id, signal);
        const deadlineMs = await begin(store, id, cell, options, world, signal);
        if (options.wait) await watch(store, id, deadlineMs, { world, options, signal });
      });
    });
};

/** Puts the order, or goes on with the one that is there; resolves with when it ends. */
async function begin(
  store: Store,
  id: CellId,
  cell: CellKeys,
  options: DrainOptions,
  world: World,
  signal: AbortSignal,
): Promise<number> {
  if (!cell.isRegistered) {
    throw new Failure(
      `cell ${id} is gone: its agent cannot let nodes go in order; start it, or see \`pgherd forget cell ${id}\``,
    );
  }
  const nowMs = world.clock.now();
  const before = cell.maintenance?.mode === 'drain' ? cell.maintenance : undefined;
  const until = Date.parse(before?.deadline ?? '');
  if (before && options.deadline === undefined && until > nowMs) {
    world.stdout.write(`${id}: going on with the drain that ends in ${printDuration(until - nowMs)}\n`);
    return until;
  }
  const deadlineMs = nowMs + durationOf('--deadline', options.deadline ?? defaultDeadline);
  const maintenance: Maintenance = {
    mode: 'drain',
    reason: options.reason || (before?.reason ?? ''),
    since: before?.since ?? new Date(nowMs).toISOString(),
    deadline: new Date(deadlineMs).toISOString(),
  };
  await putMaintenance(store, id, cell, maintenance, signal);
  world.stdout.write(`${id}: draining, for ${printDuration(deadlineMs - nowMs)} at most\n`);
  return deadlineMs;
}

async function watch(
  store: Store,
  id: CellId,
  deadlineMs: number,
  { world, options, signal }: { world: World; options: GlobalOptions; signal: AbortSignal },
): Promise<void> {
  const { clock, stdout } = world;
  const over = new AbortController();
  const cancel = clock.after(deadlineMs - clock.now(), () => over.abort(new Error('deadline')));
  let told = '';
  let staying: readonly string[] = [];
  try {
    const either = AbortSignal.any([signal, over.signal]);
    for await (const keys of follow(store, herdRanges, {
      signal: either,
      clock,
      logger: commandLogger(world, options),
    })) {
      const herd = readHerd(keys);
      const cell = herd.cells.get(id);
      if (cell?.maintenance?.ok !== true || cell.maintenance.value.mode !== 'drain') {
        throw new Failure(`the drain of ${id} was ended by somebody else`);
      }
      staying = describeStaying(herd, cell);
      if (staying.length === 0) {
        stdout.write(`${id} is drained: it holds no node and takes none until \`pgherd uncordon ${id}\`\n`);
        return;
      }
      const progress = `${id}: ${staying.length} ${staying.length === 1 ? 'node' : 'nodes'} left\n${list(staying)}`;
      if (progress !== told) stdout.write(progress);
      told = progress;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!over.signal.aborted) throw error;
    throw new Failure(`the drain of ${id} has come to its deadline; ${staying.length} stayed: ${staying.join('; ')}`);
  } finally {
    cancel();
  }
}

const list = (lines: readonly string[]): string => lines.map((line) => `  ${line}\n`).join('');
