import { readFileSync } from 'node:fs';
import { hostname, totalmem } from 'node:os';
import { Option } from 'commander';
import type { Runtime } from '../../cell/runtime/runtime.ts';
import { addOptions, hostAndPort, metricsOption, onExitOption, runDaemon } from '../daemon.ts';
import { defaultDataDir } from '../data-dir.ts';
import { type DockerOptions, dockerOptions, dockerSettings } from '../docker-options.ts';
import { durationOf } from '../duration-option.ts';
import { usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { cellIdOf } from '../ids.ts';
import type { Register } from '../register.ts';
import { version } from '../version.ts';

interface CellOptions extends DockerOptions {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  readonly label?: readonly string[];
  readonly runtime: 'process' | 'docker' | 'simulated';
  readonly dataDir?: string;
  readonly trashRetention: string;
  readonly maxNodes: string;
  readonly memoryMb: string;
  readonly onExit: 'leave' | 'stop';
  readonly metrics: string;
}

// What the system and we ourselves need.
const shareForNodes = 0.8;

/** `pgherd cell`: the agent of one machine. */
export const cell: Register = (program, world) => {
  const memoryMb = Math.floor((totalmem() / 1024 / 1024) * shareForNodes);
  const command = program
    .command('cell')
    .description('run the agent of a cell: starts and supervises the nodes that are assigned to it');
  addOptions(command, [
    new Option('--address <address>', 'the address at which this machine is reached by routers and other cells')
      .makeOptionMandatory()
      .env('PGHERD_ADDRESS'),
    new Option('--id <id>', 'its name, unique in the herd and the same for ever')
      .default(hostname())
      .env('PGHERD_CELL_ID'),
    new Option('--zone <zone>', 'nodes of an instance are spread over zones').default('default').env('PGHERD_ZONE'),
    new Option('--label <name=value...>', 'what instances can ask for').env('PGHERD_LABELS'),
    new Option('--runtime <runtime>', 'what runs nodes; simulated ones are hollow')
      .choices(['process', 'docker', 'simulated'])
      .default('process')
      .env('PGHERD_RUNTIME'),
    new Option('--data-dir <dir>', 'where the databases live').env('PGHERD_DATA_DIR'),
    new Option('--trash-retention <duration>', 'how long data are kept that nobody orders any more')
      .default('7d')
      .env('PGHERD_TRASH_RETENTION'),
    new Option('--max-nodes <number>', 'how many nodes it takes').default('100').env('PGHERD_MAX_NODES'),
    new Option('--memory-mb <megabytes>', 'how much memory its nodes may be given')
      .default(String(memoryMb), '80 % of the machine')
      .env('PGHERD_MEMORY_MB'),
    onExitOption('databases'),
    metricsOption(9301),
    ...dockerOptions(),
  ])
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd cell --address 10.0.0.1 --zone z1
  $ pgherd cell --address 10.0.0.1 --label disk=ssd rack=7
  $ pgherd cell --address 10.0.0.1 --runtime docker --image registry.example.com/pgherd-patroni@sha256:…`,
    )
    .action(async (_, self) => {
      const options = optionsOf<CellOptions>(self);
      const id = cellIdOf(options.id);
      const dataDir = options.dataDir ?? defaultDataDir('cell', world.env);
      const trashRetentionMs = durationOf('--trash-retention', options.trashRetention);
      const settings = {
        cell: id,
        hostname: id,
        address: options.address,
        zone: options.zone,
        labels: labelsOf(options.label ?? []),
        capacity: {
          nodes: wholeNumber('--max-nodes', options.maxNodes),
          memory_mb: wholeNumber('--memory-mb', options.memoryMb),
        },
        http: hostAndPort('--metrics', options.metrics),
        version,
        bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
        dataDir,
        onExit: options.onExit,
      };
      await runDaemon(world, options, async (parts, signal) => {
        // Here and not above, as in every daemon's command: each process loads the programs it runs, and no others.
        const { runCell } = await import('../../cell/cell-daemon.ts');
        const { connection, clock } = parts;
        const { address } = options;
        const run = (runtime: Runtime) => runCell({ ...parts, ...settings, runtime }, signal);
        if (options.runtime === 'process') {
          const { ProcessRuntime } = await import('../../cell/runtime/process.ts');
          return run(new ProcessRuntime({ dataDir, address, store: connection, clock, trashRetentionMs }));
        }
        if (options.runtime === 'docker') {
          const { DockerRuntime } = await import('../../cell/runtime/docker.ts');
          const docker = dockerSettings(options, connection);
          return run(
            new DockerRuntime({ ...docker, cell: id, hostname: id, address, dataDir, trashRetentionMs, clock }),
          );
        }
        const { SimulatedHerd } = await import('../../cell/runtime/simulated/simulated-herd.ts');
        const { SimulatedRuntime } = await import('../../cell/runtime/simulated.ts');
        const herd = new SimulatedHerd(parts);
        await Promise.all([herd.run(signal), run(new SimulatedRuntime(herd, address))]);
      });
    });
};

function labelsOf(words: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const word of words.flatMap((each) => each.split(','))) {
    const equals = word.indexOf('=');
    if (equals < 1) throw usageFailure(`--label is ${JSON.stringify(word)}: expected NAME=VALUE, for example disk=ssd`);
    labels[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return labels;
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageFailure(`${option} is ${JSON.stringify(text)}: a whole number is expected`);
  return Number(text);
}
