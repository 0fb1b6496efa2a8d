import { catalogKey, defaultCatalog, parseCatalog } from '../../schema/catalog.ts';
import { desiredStateKey, desiredStatePrefix } from '../../schema/desired-state.ts';
import { stateKey } from '../../schema/observed-state.ts';
import { parseMember, parseScopeKey, scopePrefix } from '../../schema/patroni.ts';
import { allocationKey } from '../../schema/routing.ts';
import { printYaml } from '../../schema/yaml.ts';
import { prefixRange } from '../../store/store.ts';
import { Failure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

interface AdoptOptions {
  readonly plan?: string;
  readonly dryRun?: true;
}

/** `pgherd adopt SCOPE`: give a Patroni cluster that pgherd never made a document, a state and a public port. */
export const adopt: Register = (program, world) => {
  program
    .command('adopt')
    .description('give a Patroni cluster that others made a document, a state and a public port; it runs on untouched')
    .argument('<scope>', 'its scope, in this store under /service/')
    .option('--plan <name>', 'what it counts as; default: the first plan')
    .option('--dry-run', 'only print the document')
    .addHelpText(
      'after',
      `
Its members are neither started, stopped nor configured, also when the document is deleted: then only the port goes.
Routers must reach the addresses that its members announce.

Example:
  $ pgherd adopt legacy`,
    )
    .action(async (scope: string, _, command) => {
      const options = optionsOf<AdoptOptions>(command);
      const id = instanceIdOf(scope);
      await withStore(world, options, async (store, signal) => {
        const { kvs } = await store.list(prefixRange(scopePrefix(id)), { signal });
        const found = new Map(kvs.map((kv) => [parseScopeKey(kv.key)?.rest ?? '', kv.value]));
        const below = await store.list(prefixRange(`${desiredStatePrefix}${id}`), { signal });
        const isManaged = below.kvs.some(
          ({ key }) => key === desiredStateKey(id) || key.startsWith(`${desiredStateKey(id)}/`),
        );
        if (found.has('state') || isManaged)
          throw new Failure(`scope ${id} is managed already: see \`pgherd describe ${id}\``);
        if (!found.get('initialize')) throw new Failure(`there is no Patroni cluster of scope ${id} in this store`);
        const members = [...found].filter(([rest]) => rest.startsWith('members/'));
        const leader = found.get('leader');
        const leading = parseMember(found.get(`members/${leader}`) ?? '');
        if (leader === undefined || !leading.ok)
          throw new Failure(`scope ${id} has no leader now: adopt it when it has one`);
        const { kv } = await store.get(catalogKey, { signal });
        const catalog = kv ? parseCatalog(kv.value) : undefined;
        const { plans } = catalog?.ok ? catalog.value : defaultCatalog;
        const plan = options.plan ?? plans[0]?.name;
        if (!plans.some(({ name }) => name === plan)) {
          throw new Failure(`no plan ${JSON.stringify(plan)}: use one of ${plans.map(({ name }) => name).join(', ')}`);
        }
        const value = printYaml({ plan, adopted: true, parameters: { 'node-count': members.length } });
        if (options.dryRun) {
          world.stdout.write(value);
          return;
        }
        const absent = [desiredStateKey(id), stateKey(id), allocationKey(id)].map((key) => {
          return { key, target: 'create', op: '=', value: 0n } as const;
        });
        const put = { type: 'put', key: desiredStateKey(id), value } as const;
        const { succeeded } = await store.txn({ if: absent, then: [put] }, { signal });
        if (!succeeded)
          throw new Failure(`scope ${id} is managed already, or its name has a port: nothing was changed`);
        world.stdout.write(`${id} is adopted with ${members.length} members, ${leader} leads: \`pgherd wait ${id}\`\n`);
      });
    });
};
