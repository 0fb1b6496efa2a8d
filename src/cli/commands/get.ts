import { Argument } from 'commander';
import { Failure, usageFailure } from '../failure.ts';
import { follow } from '../follow.ts';
import { optionsOf } from '../global-options.ts';
import type { Herd } from '../herd.ts';
import { commandLogger } from '../logging.ts';
import { type OutputFormat, outputOption, writeStructured } from '../output-format.ts';
import { readHerd } from '../read-herd.ts';
import type { Register } from '../register.ts';
import { ResourcePrinter } from '../resource-printer.ts';
import { type AnyResource, kinds, kindsNamed } from '../resources/kinds.ts';
import { listAll, withStore } from '../session.ts';
import { didYouMean } from '../similar.ts';
import type { World } from '../world.ts';

interface GetOptions {
  readonly output: OutputFormat;
  readonly watch?: true;
}

/** `pgherd get KIND [NAME]`: what there is. */
export const get: Register = (program, world) => {
  program
    .command('get')
    .description(`show ${kinds.map(({ names }) => names[0]).join(', ')}`)
    .addArgument(
      new Argument('<kind>', `${kinds.map(({ names }) => names.join('|')).join(', ')}; or several: cells,routes`),
    )
    .argument('[name]', 'only this one; for nodes and events also the name of an instance')
    .addOption(outputOption())
    .option('-w, --watch', 'print rows again whenever they change, until Ctrl-C')
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd get instances
  $ pgherd get nodes example -o wide
  $ pgherd get instances --watch
  $ pgherd get events example`,
    )
    .action(async (kindNames: string, name: string | undefined, _, command) => {
      const wanted = kindsNamed(kindNames);
      const options = optionsOf<GetOptions>(command);
      const [kind] = wanted;
      if (options.watch && wanted.length > 1) throw usageFailure('--watch shows one kind at a time');
      await withStore(world, options, async (store, signal) => {
        if (options.watch && kind) {
          const printer = new ResourcePrinter(kind, options.output, world);
          const following = { signal, clock: world.clock, logger: commandLogger(world, options) };
          for await (const keys of follow(store, kind.ranges, following)) {
            printer.printChanged(rowsOf(kind, readHerd(keys), name));
          }
        } else {
          const ranges = new Set(wanted.flatMap((each) => each.ranges));
          print(wanted, readHerd(await listAll(store, [...ranges], signal)), name, options.output, world);
        }
      });
    });
};

const rowsOf = (kind: AnyResource, herd: Herd, name: string | undefined): readonly unknown[] =>
  kind.rows(herd).filter((row) => name === undefined || kind.matches(row, name));

function print(
  wanted: readonly AnyResource[],
  herd: Herd,
  name: string | undefined,
  format: OutputFormat,
  world: World,
): void {
  const found = wanted.map((kind) => ({ kind, rows: rowsOf(kind, herd, name) }));
  if (name !== undefined && found.every(({ rows }) => rows.length === 0)) {
    const others = found.flatMap(({ kind }) => kind.rows(herd).map(kind.id));
    const what = wanted.map(({ names }) => names[1] ?? names[0]).join(' or ');
    throw new Failure(`no ${what} ${JSON.stringify(name)}.${didYouMean(name, others)}`);
  }
  if (format === 'json' || format === 'yaml') {
    const values = found.map(({ kind, rows }) => [kind.names[0], structure(kind, rows, name)] as const);
    writeStructured(world, format, values.length === 1 ? values[0]?.[1] : Object.fromEntries(values));
    return;
  }
  for (const [index, { kind, rows }] of found.entries()) {
    if (index > 0) world.stdout.write('\n');
    if (rows.length === 0 && format !== 'name') world.stderr.write(`no ${kind.names[0]}\n`);
    else new ResourcePrinter(kind, format, world).print(rows);
    if (format !== 'name') for (const remark of kind.remarks?.(herd) ?? []) world.stderr.write(`${remark}\n`);
  }
}

/** Who asked for one thing by its own id gets that, not a list of one. */
function structure(kind: AnyResource, rows: readonly unknown[], name: string | undefined): unknown {
  const values = rows.map((row) => kind.json(row));
  return rows.length === 1 && kind.id(rows[0]) === name ? values[0] : values;
}
