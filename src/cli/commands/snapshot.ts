import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { readSecret, SealError, seal, unseal, writeWhole } from '../../engine/sealed-file.ts';
import { desiredStatePrefix } from '../../schema/desired-state.ts';
import { parseRestoration, parseRestoredKey, restorationKey } from '../../schema/restoration.ts';
import { parseSnapshot, type Snapshot, takeSnapshot } from '../../schema/snapshot.ts';
import { prefixRange, type Store } from '../../store/store.ts';
import { confirm } from '../confirm.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import type { Register } from '../register.ts';
import { describeSnapshot, restoreProblem, restoreSnapshot } from '../restore-snapshot.ts';
import { withStore } from '../session.ts';

interface SnapshotOptions {
  readonly keyFile: string;
  readonly yes?: true;
}

const everything = prefixRange('/');

/** `pgherd snapshot save|show|restore|finish`: what cannot be rebuilt, in one encrypted file. */
export const snapshot: Register = (program, world) => {
  const command = program
    .command('snapshot')
    .description('save and restore what cannot be rebuilt when etcd is lost: documents, credentials, ports')
    .addHelpText(
      'after',
      `
The key file holds a secret of 16 characters or more. Keep it where the snapshots are not:
  $ head -c 32 /dev/urandom | base64 > herd.key

Examples:
  $ pgherd snapshot save herd.snapshot --key-file herd.key
  $ pgherd snapshot restore herd.snapshot --key-file herd.key
  $ pgherd snapshot finish`,
    );

  command
    .command('save')
    .description('write a snapshot')
    .argument('<file>', 'where to')
    .requiredOption('--key-file <file>', 'the secret to encrypt it with')
    .action(async (file: string, _, self) => {
      const options = optionsOf<SnapshotOptions>(self);
      await withStore(world, options, async (store, signal) => {
        const taken = await take(store, new Date(world.clock.now()).toISOString(), signal);
        await sealed(file, options, async (secret) => writeWhole(file, seal(JSON.stringify(taken), secret)));
        world.stdout.write(`${file}: ${describeSnapshot(taken)}\n`);
      });
    });

  command
    .command('show')
    .description('check a snapshot and say what is in it')
    .argument('<file>')
    .requiredOption('--key-file <file>', 'the secret it was encrypted with')
    .action(async (file: string, _, self) => {
      const options = optionsOf<SnapshotOptions>(self);
      world.stdout.write(`${file}: ${describeSnapshot(await read(file, options))}\n`);
    });

  command
    .command('restore')
    .description('put a snapshot into an empty store; cells, routers and controllers go on with it')
    .argument('<file>')
    .requiredOption('--key-file <file>', 'the secret it was encrypted with')
    .option('-y, --yes', 'do not ask')
    .action(async (file: string, _, self) => {
      const options = optionsOf<SnapshotOptions>(self);
      const snapshot = await read(file, options);
      await withStore(world, options, async (store, signal) => {
        const { kvs } = await store.list(everything, { signal });
        const problem = restoreProblem(snapshot, kvs);
        if (problem) throw new Failure(`${file} was not restored: ${problem}`);
        const question = `Restore the snapshot ${describeSnapshot(snapshot)}?`;
        if (!options.yes) await confirm(question, 'nothing was restored', world, signal);
        const ids = await restoreSnapshot(store, snapshot, new Date(world.clock.now()).toISOString(), signal);
        world.stdout.write(
          `${ids.length} instances restored; their nodes are adopted as cells report them: \`pgherd status\`. ` +
            'When all cells are back: `pgherd snapshot finish`\n',
        );
      });
    });

  command
    .command('finish')
    .description('end a restoration: what cells run that nobody ordered is stopped and kept as trash from now on')
    .option('-y, --yes', 'go on without the nodes that are still missing')
    .action(async (_, self) => {
      const options = optionsOf<SnapshotOptions>(self);
      await withStore(world, options, async (store, signal) => {
        const { kv } = await store.get(restorationKey, { signal });
        const restoration = kv && parseRestoration(kv.value);
        if (!kv || !restoration?.ok || restoration.value.finished) throw new Failure('no restoration is in progress');
        const { kvs } = await store.list(prefixRange(desiredStatePrefix), { signal });
        const marks = kvs.filter(({ key }) => parseRestoredKey(key));
        const ids = marks.map(({ key }) => parseRestoredKey(key));
        if (ids.length > 0 && !options.yes) {
          throw new Failure(
            `${ids.join(', ')} still lack nodes: start the agents of their cells (\`pgherd status\`); --yes goes on without them`,
          );
        }
        const value = JSON.stringify({ ...restoration.value, finished: true });
        await store.txn({ if: [], then: [{ type: 'put', key: restorationKey, value }] }, { signal });
        for (const { key, modRevision } of marks) {
          const unchanged = { key, target: 'mod', op: '=', value: modRevision } as const;
          await store.txn({ if: [unchanged], then: [{ type: 'delete', key }] }, { signal });
        }
        world.stdout.write('the restoration is finished\n');
      });
    });
};

async function take(store: Store, at: string, signal: AbortSignal): Promise<Snapshot> {
  const { clusterId } = await store.identity({ signal });
  const { kvs, revision } = await store.list(everything, { signal });
  return takeSnapshot(kvs, { id: randomUUID(), at, cluster: clusterId, revision: String(revision) });
}

async function read(file: string, options: SnapshotOptions): Promise<Snapshot> {
  const text = await sealed(file, options, async (secret) => unseal(await readFile(file), secret));
  const parsed = parseSnapshot(text);
  if (!parsed.ok) throw new Failure(`${file} cannot be used: ${parsed.problem}`);
  return parsed.value;
}

async function sealed<T>(file: string, { keyFile }: SnapshotOptions, use: (secret: Buffer) => Promise<T>): Promise<T> {
  let secret: Buffer;
  try {
    secret = await readSecret(keyFile);
  } catch (cause) {
    throw new Failure(`cannot read the key file ${keyFile}`, { cause });
  }
  try {
    return await use(secret);
  } catch (cause) {
    if (cause instanceof SealError) throw new Failure(`${file} cannot be used: ${cause.message}`);
    throw new Failure(`${file} cannot be used`, { cause });
  }
}
