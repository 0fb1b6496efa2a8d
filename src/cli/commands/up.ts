import { Option } from 'commander';
import { addOptions } from '../daemon.ts';
import { defaultDataDir } from '../data-dir.ts';
import { usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { portRangeOf, portsOption } from '../ports.ts';
import type { Register } from '../register.ts';
import { prepareDataDir } from '../up/data-directory.ts';
import { LocalHerd } from '../up/local-herd.ts';
import { lockHerd } from '../up/lock.ts';
import { type StoreChoice, storeChoices } from '../up/store-choice.ts';

interface UpOptions {
  readonly dataDir?: string;
  readonly cells: string;
  readonly ports: string;
  readonly listen: string;
  readonly runtime: 'process' | 'simulated';
  readonly store?: StoreChoice;
}

const mostCells = 50;

/** `pgherd up`: a whole herd on this machine. */
export const up: Register = (program, world) => {
  const command = program
    .command('up')
    .description('run a whole herd on this machine: store, controller, cells, router, an example; until Ctrl-C');
  addOptions(command, [
    new Option('--data-dir <dir>', 'where everything is kept: by default /var/lib/pgherd for root').env(
      'PGHERD_DATA_DIR',
    ),
    new Option('--cells <number>', 'how many cells, each in a zone of its own').default('3').env('PGHERD_CELLS'),
    portsOption(),
    new Option('--listen <address>', 'where clients connect').default('127.0.0.1').env('PGHERD_LISTEN'),
    new Option('--runtime <runtime>', 'what runs nodes; simulated ones are hollow')
      .choices(['process', 'simulated'])
      .default('process')
      .env('PGHERD_RUNTIME'),
    new Option('--store <store>', 'what keeps the keys: by default what the herd has, embedded for a new one')
      .choices(storeChoices)
      .env('PGHERD_STORE'),
  ])
    .addHelpText(
      'after',
      `
Ctrl-C stops everything in order and keeps the data; the next \`pgherd up\` continues. A second Ctrl-C kills.

Examples:
  $ pgherd up
  $ pgherd up --cells 5 --data-dir /srv/herd
  $ pgherd up --store etcd`,
    )
    .action(async (_, self) => {
      const options = optionsOf<UpOptions>(self);
      if (program.getOptionValueSource('etcd') === 'cli') {
        throw usageFailure('`pgherd up` runs a store of its own: leave --etcd out, or run controller, cell and router');
      }
      const cells = Number(options.cells);
      if (!/^\d+$/.test(options.cells) || cells < 1 || cells > mostCells) {
        throw usageFailure(`--cells is ${JSON.stringify(options.cells)}: a number from 1 to ${mostCells} is expected`);
      }
      portRangeOf(options.ports);
      const dataDir = await prepareDataDir(options.dataDir ?? defaultDataDir('', world.env), options.runtime);
      lockHerd(dataDir);
      const { ports, listen, runtime, logLevel, store } = options;
      const herd = new LocalHerd({ dataDir, cells, ports, listen, runtime, logLevel, store }, world);
      await world.untilInterrupted(
        (signal) => herd.run(signal),
        () => herd.kill(),
      );
    });
};
