import { addressOf, parseMember, parseScopeKey, servicePrefix } from '../../schema/patroni.ts';
import { prefixRange } from '../../store/store.ts';
import { optionsOf } from '../global-options.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';

/** `pgherd service-status`: the members of all instances, as the broker before pgherd printed them. */
export const serviceStatus: Register = (program, world) => {
  program
    .command('service-status')
    .description('print one line for each member: <service> <host:port> <role> <state>')
    .addHelpText(
      'after',
      '\nFor programs that read it; people read `pgherd get nodes`.\n\nExample:\n  $ pgherd service-status',
    )
    .action(async (_, command) => {
      await withStore(world, optionsOf(command), async (store, signal) => {
        const { kvs } = await store.list(prefixRange(servicePrefix), { signal });
        for (const { key, value } of kvs) {
          const scope = parseScopeKey(key);
          if (!scope?.rest.startsWith('members/')) continue;
          const member = parseMember(value);
          const shown = member.ok
            ? `${addressOf(member.value.conn_url) ?? '-'} ${member.value.role} ${member.value.state}`
            : '- unknown unreadable';
          world.stdout.write(`${scope.instance} ${shown}\n`);
        }
      });
    });
};
