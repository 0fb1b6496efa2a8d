import { failoverKey, parseFailover } from '../../schema/patroni.ts';
import { guardHealth } from './health.ts';
import { moves } from './moving.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';

// Patroni clears a request that it cannot fulfil. Asking again at once would only go round in circles.
const retryAfterMs = 10_000;

/**
 * Asks Patroni to hand leadership to one of `candidates`, unless a request is under way; returns a sentence on it.
 * In synchronous mode only the synchronous standby may take over, and Patroni knows best which one that is.
 */
export function switchOver(pass: Pass, leader: SoundNode, candidates: readonly SoundNode[]): string {
  const { view, spec, draft } = pass;
  const others = candidates.filter((node) => node !== leader);
  const candidate = others.find((node) => !moves(pass, node)) ?? others[0];
  const request = parseFailover(view.failover?.value || '{}');
  const pending = request.ok ? request.value : { leader: leader.id };
  draft.lookAgainIn(retryAfterMs);
  if (candidate && !pending.leader && !pending.member) {
    const target = spec.synchronous ? {} : { member: candidate.id };
    guardHealth(view, leader, draft);
    const value = JSON.stringify({ leader: leader.id, ...target });
    draft.replace(failoverKey(view.id), view.failover?.modRevision ?? 0n, value);
    draft.event(
      'Normal',
      'SwitchingOver',
      `leadership is to go from ${leader.id} to ${target.member ?? 'the standby'}`,
    );
  }
  return `${leader.id} leads and is to go: Patroni was asked for a switchover`;
}
