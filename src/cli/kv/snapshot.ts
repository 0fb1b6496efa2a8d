import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { unframed } from '../../kv/server/snapshot-file.ts';
import { defaultDataDir } from '../data-dir.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import type { World } from '../world.ts';
import { databaseOf, type EngineChoice } from './kv-options.ts';

/** `pgherd kv snapshot restore`: the counterpart of `etcdctl snapshot save`. */
export function kvSnapshot(kv: Command, world: World): void {
  // --data-dir and the other options are those of `pgherd kv` itself.
  kv.command('snapshot')
    .description('read what `etcdctl snapshot save` has written')
    .command('restore <file>')
    .description('put a snapshot into a store that is empty and not running')
    .addHelpText(
      'after',
      `
Example:
  $ etcdctl snapshot save backup.db
  $ pgherd kv snapshot restore backup.db --data-dir /var/lib/pgherd/kv-restored`,
    )
    .action(async (file: string, _, self: Command) => {
      const options = optionsOf<EngineChoice>(self);
      const directory = options.dataDir ?? defaultDataDir('kv', world.env);
      const revision = await restoreFile(file, options, directory, world);
      world.stdout.write(`restored ${file}, revision ${revision}\n`);
    });
}

async function restoreFile(file: string, options: EngineChoice, directory: string, world: World): Promise<bigint> {
  const { restore } = await import('../../kv/open-backend.ts');
  const target = { engine: options.engine, directory, ...databaseOf(options, world.env), clock: world.clock };
  try {
    // Looked through first: what is damaged must not have been written when that is found at its end.
    for await (const _ of unframed(createReadStream(file)));
    return await restore(target, unframed(createReadStream(file)));
  } catch (cause) {
    throw new Failure(`cannot restore ${file}`, { cause });
  }
}
