import type { InstanceId } from '../../schema/ids.ts';
import { failoverKey, leaderKey, parseFailover, parseScopeKey, scopePrefix } from '../../schema/patroni.ts';
import { type KeyValue, prefixRange, type Store } from '../../store/store.ts';
import { parseDurationMs } from '../duration.ts';
import { Failure, usageFailure } from '../failure.ts';
import { optionsOf } from '../global-options.ts';
import { instanceIdOf } from '../ids.ts';
import { noInstance, readInstance } from '../instance.ts';
import type { Register } from '../register.ts';
import { withStore } from '../session.ts';
import { didYouMean } from '../similar.ts';
import { waitFor } from '../wait-for.ts';

interface SwitchoverOptions {
  readonly to?: string;
  readonly wait?: true;
  readonly timeout: string;
}

/** `pgherd switchover ID`: another node becomes the leader, in order and without loss. */
export const switchover: Register = (program, world) => {
  program
    .command('switchover')
    .description('make another node of an instance the leader')
    .argument('<id>', 'the instance')
    .option('--to <node>', 'which; by default Patroni takes the one that is furthest')
    .option('--wait', 'until another node leads')
    .option('--timeout <duration>', 'give up waiting after', '60s')
    .addHelpText(
      'after',
      `
Examples:
  $ pgherd switchover example --wait
  $ pgherd switchover example --to example-x7k2qd`,
    )
    .action(async (idText: string, _, command) => {
      const options = optionsOf<SwitchoverOptions>(command);
      const id = instanceIdOf(idText);
      const timeout = parseDurationMs(options.timeout);
      if (!timeout.ok) throw usageFailure(`--timeout: ${timeout.problem}`);
      await withStore(world, options, async (store, signal) => {
        const leader = await request(store, id, options.to, signal);
        world.stdout.write(`${id}: ${leader} was asked to hand over${options.to ? ` to ${options.to}` : ''}\n`);
        if (!options.wait) return;
        const startedMs = world.clock.monotonic();
        let successor = '';
        const look = ([kv]: readonly KeyValue[]) => {
          successor = kv?.value ?? '';
          const done = successor !== '' && successor !== leader;
          return done ? ({ done } as const) : { done, waitsFor: kv ? `${leader} still leads` : 'nobody leads' };
        };
        const key = leaderKey(id);
        await waitFor(store, [{ start: key, end: `${key}\0` }], look, {
          ...{ world, options, signal, what: `another leader of ${id}`, timeoutMs: timeout.value },
        });
        const seconds = ((world.clock.monotonic() - startedMs) / 1000).toFixed(1);
        world.stdout.write(`${id}: ${successor} leads, after ${seconds} s\n`);
      });
    });
};

/** Asks Patroni, through its own key, in a transaction that fails if anything changed since we looked. */
async function request(store: Store, id: InstanceId, to: string | undefined, signal: AbortSignal): Promise<string> {
  const { kvs } = await store.list(prefixRange(scopePrefix(id)), { signal });
  const rest = new Map(kvs.map((kv) => [parseScopeKey(kv.key)?.rest ?? '', kv]));
  const leader = rest.get('leader');
  if (!leader) {
    const { document, state } = await readInstance(store, id, signal);
    if (!document && !state) throw await noInstance(store, id, signal);
    throw new Failure(`instance ${id} has no leader to hand over: see \`pgherd describe ${id}\``);
  }
  const others = [...rest.keys()].flatMap((key) => (key.startsWith('members/') ? [key.slice('members/'.length)] : []));
  refuseImpossible(
    id,
    leader.value,
    others.filter((name) => name !== leader.value),
    to,
  );
  const pending = rest.get('failover');
  const asked = pending && parseFailover(pending.value);
  if (asked?.ok && (asked.value.leader || asked.value.member)) {
    throw new Failure(`a switchover of ${id} is already under way: ${JSON.stringify(asked.value)}`);
  }
  const value = JSON.stringify({ leader: leader.value, ...(to !== undefined && { member: to }) });
  const written = await store.txn(
    {
      if: [
        { key: leaderKey(id), target: 'mod', op: '=', value: leader.modRevision },
        { key: failoverKey(id), target: 'mod', op: '=', value: pending?.modRevision ?? 0n },
      ],
      then: [{ type: 'put', key: failoverKey(id), value }],
    },
    { signal },
  );
  if (!written.succeeded) throw new Failure(`the leader of ${id} changed at this moment: look, and ask again`);
  return leader.value;
}

function refuseImpossible(id: InstanceId, leader: string, others: readonly string[], to: string | undefined): void {
  if (others.length === 0) throw new Failure(`instance ${id} has one node only: nobody can take over from ${leader}`);
  if (to === leader) throw new Failure(`${to} leads ${id} already`);
  if (to !== undefined && !others.includes(to)) {
    throw new Failure(
      `no node ${JSON.stringify(to)} in ${id}.${didYouMean(to, others) || ` There are ${others.join(', ')}`}`,
    );
  }
}
