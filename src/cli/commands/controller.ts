import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Option } from 'commander';
import { type Catalog, parseCatalog } from '../../schema/catalog.ts';
import { addOptions, hostAndPort, metricsOption, runDaemon } from '../daemon.ts';
import { durationOf } from '../duration-option.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { portRangeOf, portsOption } from '../ports.ts';
import type { Register } from '../register.ts';

interface ControllerOptions {
  readonly identity?: string;
  readonly ports: string;
  readonly catalog?: string;
  readonly deletionGrace: string;
  readonly deletionBurst: string;
  readonly snapshotDir?: string;
  readonly snapshotKeyFile?: string;
  readonly maxConcurrentRollouts: string;
  readonly portQuarantine: string;
  readonly metrics: string;
  readonly cellLostAfter: string;
  readonly repairAfter: string;
  readonly instanceMetrics: boolean;
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
    new Option('--cell-lost-after <duration>', 'replace the nodes of a cell that is gone for so long')
      .env('PGHERD_CELL_LOST_AFTER')
      .default('5m'),
    new Option('--repair-after <duration>', 'build a replica anew that cannot follow for so long')
      .env('PGHERD_REPAIR_AFTER')
      .default('5m'),
    new Option('--deletion-grace <duration>', 'how long everything of a deleted instance is kept')
      .default('24h')
      .env('PGHERD_DELETION_GRACE'),
    new Option(
      '--deletion-burst <count>',
      'instances, or a tenth of the herd, deleted in ten minutes before more are held',
    )
      .default('5')
      .env('PGHERD_DELETION_BURST'),
    new Option('--max-concurrent-rollouts <count>', 'instances whose nodes are restarted at a time')
      .default('10')
      .env('PGHERD_MAX_CONCURRENT_ROLLOUTS'),
    new Option('--snapshot-dir <directory>', 'where an encrypted snapshot is written every day').env(
      'PGHERD_SNAPSHOT_DIR',
    ),
    new Option('--snapshot-key-file <file>', 'the secret that snapshots are encrypted with').env(
      'PGHERD_SNAPSHOT_KEY_FILE',
    ),
    new Option('--port-quarantine <duration>', 'how long the port of an instance that is gone is given to nobody')
      .default('7d')
      .env('PGHERD_PORT_QUARANTINE'),
    metricsOption(9300),
    new Option('--no-instance-metrics', 'no series for single instances, for herds of thousands').env(
      'PGHERD_NO_INSTANCE_METRICS',
    ),
  ])
    .addHelpText('after', '\nExample:\n  $ pgherd controller --ports 30000-32767')
    .action(async (_, self) => {
      const options = optionsOf<ControllerOptions>(self);
      const identity = options.identity ?? `${hostname()}-${randomBytes(3).toString('hex')}`;
      const settings = {
        portRange: portRangeOf(options.ports),
        cellLostAfterMs: durationOf('--cell-lost-after', options.cellLostAfter),
        repairAfterMs: durationOf('--repair-after', options.repairAfter),
        deletionGraceMs: durationOf('--deletion-grace', options.deletionGrace),
        deletionBurst: countOf('--deletion-burst', options.deletionBurst),
        maxConcurrentRollouts: countOf('--max-concurrent-rollouts', options.maxConcurrentRollouts),
        portQuarantineMs: durationOf('--port-quarantine', options.portQuarantine),
        ...(options.catalog !== undefined && { catalog: readCatalog(options.catalog) }),
      };
      const { instanceMetrics } = options;
      const snapshots = snapshotsOf(options);
      const listen = hostAndPort('--metrics', options.metrics);
      const { runController } = await import('../../controller/controller-daemon.ts');
      await runDaemon(world, options, (parts, signal) =>
        runController({ ...parts, identity, settings, listen, snapshots, instanceMetrics }, signal),
      );
    });
};

function countOf(option: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw usageFailure(`${option} is ${JSON.stringify(text)}: a whole number is expected`);
  return Number(text);
}

function snapshotsOf({ snapshotDir, snapshotKeyFile }: ControllerOptions) {
  if (snapshotDir === undefined && snapshotKeyFile === undefined) return undefined;
  if (snapshotDir === undefined || snapshotKeyFile === undefined) {
    throw usageFailure('--snapshot-dir and --snapshot-key-file are given together or not at all');
  }
  return { directory: snapshotDir, keyFile: snapshotKeyFile };
}

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
