import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { type Present, planEffects } from '../../controller/decide/effects.ts';
import { type Catalog, catalogKey, defaultCatalog, parseCatalog } from '../../schema/catalog.ts';
import { parseRegistration, registeredKey } from '../../schema/cell.ts';
import { desiredStateKey } from '../../schema/desired-state.ts';
import type { CellId, InstanceId } from '../../schema/ids.ts';
import { type InstanceDocument, parseInstanceDocuments } from '../../schema/instance-documents.ts';
import { type InstanceSpec, parseInstanceSpec } from '../../schema/instance-spec.ts';
import type { ObservedState } from '../../schema/observed-state.ts';
import type { Store } from '../../store/store.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { readInstance, versionConflict } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import type { World } from '../world.ts';

interface ApplyOptions {
  readonly file: readonly string[];
  readonly id?: string;
  readonly dryRun?: true;
}

/** `pgherd apply -f FILE`: create or change instances. */
export const apply: Register = (program, world) => {
  program
    .command('apply')
    .description('create or change instances as files describe them')
    .requiredOption('-f, --file <file...>', 'YAML or JSON, several documents separated by ---; - reads standard input')
    .option('--id <id>', 'the instance, for a single document that does not name it')
    .option('--dry-run', 'only say what would happen')
    .addHelpText(
      'after',
      `
Each document is a desired state and names its instance in \`id\`:
  id: example
  plan: standard
  parameters: {node-count: 3, postgresql: {max_connections: 200}}
All documents are checked before the first is written.

Examples:
  $ pgherd apply -f instances.yaml
  $ pgherd apply -f instances.yaml --dry-run
  $ echo '{plan: small}' | pgherd apply --id f2 -f -`,
    )
    .action(async (_, command) => {
      const options = optionsOf<ApplyOptions>(command);
      const id = options.id === undefined ? undefined : instanceIdOf(options.id);
      const documents = await readDocuments(options.file, id, world);
      await withStore(world, options, async (store, signal) => {
        const catalog = await readCatalog(store, signal);
        const accepted = checked(documents, catalog);
        await checkVersions(store, accepted, signal);
        for (const each of accepted) {
          const outcome = await applyOne(store, each, catalog, options.dryRun === true, signal);
          world.stdout.write(`${each.id} ${outcome}\n`);
        }
      });
    });
};

interface Named extends InstanceDocument {
  /** The file it is from. */
  readonly from: string;
}

interface Accepted extends Named {
  readonly spec: InstanceSpec;
}

async function readDocuments(files: readonly string[], id: InstanceId | undefined, world: World): Promise<Named[]> {
  const found: Named[] = [];
  for (const file of files) {
    const from = file === '-' ? 'standard input' : file;
    const documents = parseInstanceDocuments(await readSource(file, world), id);
    if (!documents.ok) throw new Failure(`${from}: ${documents.problem}`);
    for (const document of documents.value) {
      const other = found.find((each) => each.id === document.id);
      if (other) throw new Failure(`${from}: id ${document.id} occurs in ${other.from} already`);
      found.push({ ...document, from });
    }
  }
  return found;
}

async function readSource(file: string, world: World): Promise<string> {
  if (file === '-') return text(world.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new Failure(`cannot read ${file}`, { cause });
  }
}

/** The catalog of the herd; before its first controller ran, the one that we were built with. */
async function readCatalog(store: Store, signal: AbortSignal): Promise<Catalog> {
  const { kv } = await store.get(catalogKey, { signal });
  if (!kv) return defaultCatalog;
  const catalog = parseCatalog(kv.value);
  if (!catalog.ok) throw new Failure(`the catalog at ${catalogKey} cannot be read: ${catalog.problem}`);
  return catalog.value;
}

function checked(documents: readonly Named[], catalog: Catalog): Accepted[] {
  const problems: string[] = [];
  const accepted: Accepted[] = [];
  for (const document of documents) {
    const spec = parseInstanceSpec(document.text, catalog);
    if (spec.ok) accepted.push({ ...document, spec: spec.value });
    else problems.push(`${document.from}: ${document.id}: ${spec.problem}`);
  }
  if (problems.length > 0) throw new Failure(`nothing was applied: ${problems.join('; ')}`);
  return accepted;
}

/** Refuses what the controller would refuse for the data that there are. */
async function checkVersions(store: Store, documents: readonly Accepted[], signal: AbortSignal): Promise<void> {
  const problems: string[] = [];
  for (const { id, from, spec } of documents) {
    const problem = versionConflict(await readInstance(store, id, signal), spec);
    if (problem !== undefined) problems.push(`${from}: ${id}: ${problem}`);
  }
  if (problems.length > 0) throw new Failure(`nothing was applied: ${problems.join('; ')}`);
}

/** The nodes of the state, with what their cells say of themselves. */
async function withCells(store: Store, state: ObservedState | undefined, signal: AbortSignal): Promise<Present> {
  const nodes = state?.nodes ?? [];
  const keys = nodes.map(({ backend_id }) => registeredKey(backend_id as CellId));
  const { reads } = await store.txn({ if: [], then: keys.map((key) => ({ type: 'get', key })) }, { signal });
  const cells = reads.map((kv) => (kv ? parseRegistration(kv.value) : undefined));
  const named = nodes.map((node, at) => {
    const cell = cells[at];
    return { ...node, ...(cell?.ok && { cell: cell.value }) };
  });
  return { nodes: named, leader: state?.leader };
}

/** Writes one document, guarded by the revision it was compared with, and says what that does. */
async function applyOne(
  store: Store,
  { id, text, spec }: Accepted,
  catalog: Catalog,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<string> {
  const key = desiredStateKey(id);
  for (;;) {
    const { document, state } = await readInstance(store, id, signal);
    if (document?.value === text) return 'unchanged';
    const seen = state?.ok ? state.value : undefined;
    const effects = planEffects(seen?.accepted, spec, catalog, await withCells(store, seen, signal));
    const verb = document ? 'configured' : 'created';
    if (dryRun) return [`would be ${verb}`, ...effects.map(({ kind, text }) => `  ${kind}: ${text}`)].join('\n');
    const written = await store.txn(
      {
        if: [{ key, target: 'mod', op: '=', value: document?.modRevision ?? 0n }],
        then: [{ type: 'put', key, value: text }],
      },
      { signal },
    );
    // Somebody else was faster: compare with what is there now.
    if (written.succeeded) return `${verb}: ${[...new Set(effects.map(({ kind }) => kind))].join(', ')}`;
  }
}
