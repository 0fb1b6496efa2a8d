import type { InstanceView } from '../view/instance-view.ts';
import type { Claim } from './conditions.ts';
import { memberRuns } from './health.ts';

/** What is told of a Patroni cluster that pgherd did not make: who leads, and that it runs. */
export function adoptedConditions(view: InstanceView): Claim[] {
  const member = view.leaderMember?.value;
  const leader = view.leader?.value.slice(0, 100);
  const placed: Claim = {
    type: 'Placed',
    status: 'True',
    reason: 'Adopted',
    message: 'others placed its members, and pgherd leaves them alone',
  };
  if (leader === undefined || !member?.ok) {
    const message = 'no member leads; whoever runs them must see to it';
    return [
      placed,
      { type: 'Running', status: 'Unknown', reason: 'NoLeader', message },
      { type: 'LeaderElected', status: 'False', reason: 'NoLeader', message },
    ];
  }
  const { state } = member.value;
  const isRunning = memberRuns(state);
  return [
    placed,
    {
      type: 'Running',
      status: isRunning ? 'True' : 'False',
      reason: isRunning ? 'Running' : 'NodesNotRunning',
      message: `${leader} is ${state.slice(0, 100)}`,
    },
    { type: 'LeaderElected', status: 'True', reason: 'LeaderElected', message: `${leader} leads` },
  ];
}
