import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { type Command, Option } from 'commander';
import { Registry } from '../../store/registry.ts';
import { RegistryNamespace } from '../../store/registry-namespace.ts';
import type { Store } from '../../store/store.ts';
import { addOptions } from '../daemon.ts';
import { parseDurationMs } from '../duration.ts';
import { usageFailure } from '../failure.ts';
import { type GlobalOptions, optionsOf } from '../global-options.ts';
import { daemonLogger } from '../logging.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import type { World } from '../world.ts';

interface PublishOptions {
  readonly group: string;
  readonly ttl: string;
}

/** `pgherd registry`: entries that live as long as who publishes them. */
export const registry: Register = (program, world) => {
  const command = program
    .command('registry')
    .description('publish entries that live as long as their publisher, list them, follow them')
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd registry publish /dba/studio/contributors BAW/CreditWF '{"version":"1.0"}'
  $ pgherd registry list /dba/studio/contributors
  $ pgherd registry watch /dba/studio/contributors`,
    );
  publish(command, world);
  command
    .command('list <namespace>')
    .description('print every entry of a namespace: its name, a tab, its value')
    .action(async (path: string, _, self: Command) => {
      await withStore(world, optionsOf<GlobalOptions>(self), async (store) => {
        const { entries } = await namespaceOf(store, path).list();
        for (const { name, value } of entries) world.stdout.write(`${name}\t${value}\n`);
      });
    });
  command
    .command('watch <namespace>')
    .description('print every entry, then every change: + what came or changed, - what went')
    .action(async (path: string, _, self: Command) => {
      await withStore(world, optionsOf<GlobalOptions>(self), async (store, signal) => {
        const namespace = namespaceOf(store, path);
        const { entries, revision } = await namespace.list({ signal });
        for (const { name, value } of entries) world.stdout.write(`+ ${name}\t${value}\n`);
        for await (const { name, value } of namespace.follow(revision, signal)) {
          world.stdout.write(value === undefined ? `- ${name}\n` : `+ ${name}\t${value}\n`);
        }
      });
    });
};

function publish(parent: Command, world: World): void {
  const command = parent
    .command('publish <namespace> <name> [value]')
    .description('keep an entry in a namespace until Ctrl-C; a value of - is read from standard input');
  addOptions(command, [
    new Option('--group <name>', 'who shares one lease with us').default(hostname()).env('PGHERD_REGISTRY_GROUP'),
    new Option('--ttl <duration>', 'how long entries outlive us when we are killed')
      .default('15s')
      .env('PGHERD_REGISTRY_TTL'),
  ])
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd registry publish /dba/studio/contributors BAW/CreditWF '{"version":"1.0"}'
  $ pgherd registry list /dba/studio/contributors`,
    )
    .action(async (path: string, name: string, given: string | undefined, _, self: Command) => {
      const options = optionsOf<PublishOptions>(self);
      const ttl = parseDurationMs(options.ttl);
      if (!ttl.ok || ttl.value < 2000) throw usageFailure('--ttl: a duration of at least 2s is expected');
      if (!/^[^/]+$/.test(options.group)) throw usageFailure('--group: a name without a slash is expected');
      const value = given === '-' ? await text(world.stdin) : (given ?? '');
      const logger = daemonLogger(world, options);
      await withStore(world, optionsOf<GlobalOptions>(self), async (store, signal) => {
        const entries = new Registry({
          ...{ store, clock: world.clock, namespace: namespaceOf(store, path), group: options.group },
          ttlSeconds: Math.ceil(ttl.value / 1000),
          onPublished: () => logger.info({ namespace: path, name }, 'published'),
          onTrouble: (err) => logger.warn({ err, namespace: path, name }, 'publishing is interrupted'),
        });
        entries.publish(name, value);
        await entries.run(signal);
      });
    });
}

function namespaceOf(store: Store, path: string): RegistryNamespace {
  if (!/^(\/[A-Za-z0-9._-]+)+\/?$/.test(path)) {
    throw usageFailure(`${JSON.stringify(path)} is no namespace: a path like /dba/studio/contributors is expected`);
  }
  return new RegistryNamespace(store, path);
}
