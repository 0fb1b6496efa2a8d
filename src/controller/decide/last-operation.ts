import type { ObservedState } from '../../schema/observed-state.ts';
import type { StateFacts } from '../view/facts.ts';
import type { Claims } from './conditions.ts';
import type { Findings } from './findings.ts';
import { hasStopped } from './halt.ts';
import { memberRuns, runs } from './health.ts';
import type { SoundNode } from './nodes.ts';

type LastOperation = ObservedState['last_operation'];

/**
 * How far the present generation of the document is, in the words that brokers know: `members stopped, stopped`, then
 * `master running; replicas stopped`, then `master running; replicas running`. What once succeeded stays so until the
 * document changes: whether the instance is well at this moment is what the conditions tell.
 */
export function describeOperation(
  { admission, nodes, health }: Findings,
  claims: Claims,
  before: StateFacts | undefined,
  generation: string,
): LastOperation {
  const progress = describeMembers(nodes, health.leader);
  if (admission.course === 'delete') return { state: 'in progress', description: progress };
  if (admission.course === 'retire') {
    return { state: nodes.every(hasStopped) ? 'succeeded' : 'in progress', description: progress };
  }
  if (admission.refusal !== undefined) return { state: 'failed', description: admission.refusal };
  if (claims.some(({ type, status }) => type === 'Ready' && status === 'True')) {
    return { state: 'succeeded', description: progress };
  }
  if (claims.some(({ type, reason }) => type === 'Running' && reason === 'Hibernated')) {
    return { state: 'succeeded', description: progress };
  }
  if (before?.observedGeneration === generation && before.lastOperation.state === 'succeeded') {
    return before.lastOperation;
  }
  return { state: 'in progress', description: progress };
}

function describeMembers(nodes: readonly SoundNode[], leader: SoundNode | undefined): string {
  if (!leader || !runs(leader)) return `members ${nodes.map(memberState).join(', ') || 'none'}`;
  const replicas = nodes.filter((node) => node.id !== leader.id).map(memberState);
  return replicas.length > 0 ? `master running; replicas ${replicas.join(', ')}` : 'master running';
}

function memberState({ member }: SoundNode): string {
  if (!member) return 'stopped';
  if (memberRuns(member.state)) return 'running';
  return /start|creating|initializing|bootstrap/.test(member.state) && !/failed/.test(member.state)
    ? 'starting'
    : 'stopped';
}
