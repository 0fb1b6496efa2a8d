import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Option } from 'commander';
import { runController } from '../../controller/controller-daemon.ts';
import { type Catalog, parseCatalog } from '../../schema/catalog.ts';
import { addOptions, hostAndPort, metricsOption, runDaemon } from '../daemon.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { portRangeOf, portsOption } from '../ports.ts';
import type { Register } from '../register.ts';

interface ControllerOptions {
  readonly identity?: string;
  readonly ports: string;
  readonly catalog?: string;
  readonly metrics: string;
}

/** `pgherd controller`: the daemon that decides. */
export const controller: Register = (program, world) => {
  const command = program
    .command('controller')
    .description('run a controller: decides what every instance needs; several run, one leads');
  addOptions(command, [
    new Option('--identity <name>', 'its name, by default that of the machine and something random').env(
      'PGHERD_IDENTITY',
    ),
    portsOption(),
    new Option('--catalog <file>', 'plans that can be asked for, as JSON').env('PGHERD_CATALOG'),
    metricsOption(9300),
  ])
    .addHelpText('after', '\nExample:\n  $ pgherd controller --ports 30000-32767')
    .action(async (_, self) => {
      const options = optionsOf<ControllerOptions>(self);
      const identity = options.identity ?? `${hostname()}-${randomBytes(3).toString('hex')}`;
      const portRange = portRangeOf(options.ports);
      const listen = hostAndPort('--metrics', options.metrics);
      const catalog = options.catalog === undefined ? undefined : readCatalog(options.catalog);
      await runDaemon(world, options, (parts, signal) =>
        runController({ ...parts, identity, portRange, listen, ...(catalog && { catalog }) }, signal),
      );
    });
};

function readCatalog(file: string): Catalog {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new Failure(`cannot read the catalog ${file}`, { cause });
  }
  const catalog = parseCatalog(text);
  if (!catalog.ok) throw new Failure(`the catalog ${file} is refused: ${catalog.problem}`);
  return catalog.value;
}
