import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogKey, defaultCatalog, parseCatalog } from '../../schema/catalog.ts';
import { desiredStateKey } from '../../schema/desired-state.ts';
import { parseInstanceSpec } from '../../schema/instance-spec.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { noInstance, readInstance, versionConflict } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd edit ID`: change the document of an instance in an editor. */
export const edit: Register = (program, world) => {
  program
    .command('edit')
    .description('change the document of an instance in $VISUAL or $EDITOR')
    .argument('<id>', 'the instance')
    .addHelpText(
      'after',
      '\nIf somebody else changes it meanwhile, both are shown and nothing is lost.\n\nExample:\n  $ pgherd edit f2',
    )
    .action(async (idText: string, _, command) => {
      const id = instanceIdOf(idText);
      const key = desiredStateKey(id);
      const editor = world.env['VISUAL'] || world.env['EDITOR'] || 'vi';
      await withStore(world, optionsOf(command), async (store, signal) => {
        const instance = await readInstance(store, id, signal);
        const { document, state } = instance;
        if (!document && state) throw new Failure(`instance ${id} is deleted: \`pgherd undelete ${id}\` first`);
        if (!document) throw await noInstance(store, id, signal);
        const directory = await mkdtemp(join(tmpdir(), 'pgherd-edit-'));
        const file = join(directory, `${id}.yaml`);
        let isDone = false;
        try {
          await writeFile(file, document.value, { mode: 0o600 });
          runEditor(editor, file);
          const text = await readFile(file, 'utf8');
          if (text === document.value) {
            isDone = true;
            world.stdout.write(`${id} unchanged\n`);
            return;
          }
          const { kv } = await store.get(catalogKey, { signal });
          const catalog = kv ? parseCatalog(kv.value) : undefined;
          const spec = parseInstanceSpec(text, catalog?.ok ? catalog.value : defaultCatalog);
          const problem = spec.ok ? versionConflict(instance, spec.value) : spec.problem;
          if (problem !== undefined) {
            throw new Failure(`not written, it would be refused: ${problem}; your text is in ${file}`);
          }
          const unchanged = { key, target: 'mod', op: '=', value: document.modRevision } as const;
          const put = { type: 'put', key, value: text } as const;
          const written = await store.txn({ if: [unchanged], then: [put], else: [{ type: 'get', key }] }, { signal });
          if (!written.succeeded) {
            const theirs = written.reads[0]?.value;
            world.stderr.write(`--- theirs\n${theirs ?? '(deleted)\n'}--- yours\n${text}`);
            throw new Failure(
              `not written: somebody else changed ${id} meanwhile, both are above; yours is in ${file}`,
            );
          }
          isDone = true;
          world.stdout.write(`${id} configured\n`);
        } finally {
          if (isDone) await rm(directory, { recursive: true, force: true });
        }
      });
    });
};

/** Runs the editor; it may be several words, as `code --wait`. */
function runEditor(editor: string, file: string): void {
  const { status, error } = spawnSync('/bin/sh', ['-c', `${editor} "$1"`, 'edit', file], { stdio: 'inherit' });
  if (error || status !== 0) throw new Failure(`${editor} ended badly, nothing was written; your text is in ${file}`);
}
