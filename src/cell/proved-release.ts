import type { InstanceId, NodeId } from '../schema/ids.ts';
import { leaderKey } from '../schema/patroni.ts';
import type { Store } from '../store/store.ts';
import type { Proof } from './runtime/runtime.ts';

/** What became of the leader key of a node that ended. */
export type Release = 'released' | 'not-leader' | 'unproven';

/**
 * Proved release: the leader key of a node whose processes are gone is deleted at once, so that the replicas race for it
 * now and not when Patroni's lease has run out (0.2 s instead of 25 s at a ttl of 30).
 *
 * It is as safe as an expired lease, and rests on three facts in this order:
 *
 *  1. **No process of the node is left.** `Runtime.prove` says so only then. Not "does not answer", not "was killed":
 *     the kernel has said that the node's PID namespace is empty (`runtime/process/proof.ts`; `runtime/docker/proof.ts`
 *     for containers, where it is not always possible). So nobody can write to the
 *     node's data, and nobody can renew or take the key in its name; only this cell may start the node, and does not
 *     before this function has returned, because the agent does one thing at a time for a node.
 *  2. **The key is read after that.** A key that names the node was put by a run that is over.
 *  3. **The key that is deleted is the one that was read**: same value, same lease, same revision. Whatever happened in
 *     between, for however long this process was frozen, makes the comparison fail.
 *
 * | situation                                                            | what happens                                  |
 * |----------------------------------------------------------------------|-----------------------------------------------|
 * | Patroni and PostgreSQL killed                                        | the namespace ended; released                 |
 * | Patroni killed, PostgreSQL orphaned                                  | its namespace dies with Patroni; released     |
 * | PostgreSQL killed, Patroni alive                                     | no end: Patroni restarts it and keeps the key |
 * | Patroni hangs, does not answer, is stopped with SIGSTOP              | no proof, nothing: the lease decides          |
 * | leftovers survive the wrapper, or cannot be killed                   | killed and waited for; no release before      |
 * | the node was a replica                                               | the key names another: nothing                |
 * | the node is alone                                                    | released; it takes the key again when started |
 * | the lease ran out and another leads already                          | the key names another: nothing                |
 * | … and that happens between reading and deleting                      | the comparison fails; read again: another's   |
 * | the agent was frozen through all of it and wakes in the middle       | the same: every step is compared or proved    |
 * | the agent was dead while the node died                               | the next agent proves it, then releases       |
 * | the machine was rebooted                                             | no process outlives a boot; released          |
 * | the store does not answer                                            | tried again; the node is not started before   |
 * | the answer to the delete is lost                                     | tried again: the key is gone or another's     |
 * | a last write of the dead Patroni arrives between reading and deleting | the comparison fails; read again: released    |
 * | it cannot be proved (a container engine on another machine)          | nothing: the lease decides                    |
 * | two agents on one data directory                                     | the second does not start: the lock           |
 */
export async function releaseLeaderKey(
  instance: InstanceId,
  node: NodeId,
  { store, prove, signal }: { store: Store; prove: () => Promise<Proof>; signal: AbortSignal },
): Promise<Release> {
  if ((await prove()) === 'unproven') return 'unproven';
  const key = leaderKey(instance);
  for (;;) {
    const { kv } = await store.get(key, { signal });
    if (kv?.value !== node) return 'not-leader';
    const { succeeded } = await store.txn(
      {
        if: [
          { key, target: 'value', op: '=', value: node },
          { key, target: 'lease', op: '=', value: kv.leaseId },
          { key, target: 'mod', op: '=', value: kv.modRevision },
        ],
        then: [{ type: 'delete', key }],
      },
      { signal },
    );
    if (succeeded) return 'released';
  }
}
