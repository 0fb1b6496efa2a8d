import { type Condition, condition, type ObservedState } from '../schema/observed-state.ts';
import { printDuration } from './duration.ts';
import type { InstanceView } from './herd.ts';
import { isCurrent, stateOf } from './status.ts';

/** What happens next by itself, and what a person can do, by the reason of the condition that is not true. */
const prospects: Readonly<Record<string, readonly [next: string, unblock: string]>> = {
  Refused: [
    'nothing: the document that was accepted before stays in force',
    'correct the document: `pgherd edit {id}`',
  ],
  NoRoom: ['a node is placed as soon as a cell has room', 'add a cell, uncordon one, or widen the pool'],
  Placing: ['the missing nodes are placed', 'nothing to do'],
  Moving: ['the old node goes once its replacement streams', 'nothing to do'],
  ReplacementQueued: ['its turn comes within seconds', 'nothing to do'],
  StartingOver: ['new nodes are placed, which begin empty', 'nothing to do'],
  Removing: ['its keys go once the cell has erased it', 'nothing to do while the agent of that cell runs'],
  Repairing: ['the replica is copied from the leader', 'nothing to do'],
  SwitchingOver: ['Patroni hands over, then the old leader goes', '`pgherd switchover {id}` if it takes long'],
  NodesNotRunning: [
    'the agents start them again, later and later',
    'see the error of the node and its log on the cell',
  ],
  Fenced: ['nothing: an operator wants it stopped', '`pgherd unfence` that node'],
  Fencing: ['it stops once another node has taken over', '`pgherd fence` the others too, and it stops at once'],
  NotStreaming: ['the replica catches up', 'nothing to do, unless it is rebuilt again and again'],
  Restarting: ['the next node restarts when all others serve', 'nothing to do, unless the rollout stopped'],
  OutsideWindow: ['the restart begins in the window', 'remove or widen `maintenance-windows` to begin now'],
  RolloutQueued: ['it begins when another instance is done', 'start the controller with --max-concurrent-rollouts'],
  StreamingUnknown: ['the agent of the leader’s cell tells', 'start the agent of that cell'],
  Waking: ['the rest starts when that node leads', 'start the agent of its cell'],
  Hibernated: ['nothing', '`pgherd wake {id}`'],
  Hibernating: ['the leader stops when the replicas have', 'nothing to do'],
  NoLeader: ['Patroni elects one when enough nodes are there', 'see `pgherd get nodes {id}`'],
  LeaderNotRunning: ['Patroni fails over or starts it again', 'see `pgherd get nodes {id}`'],
  TwoLeaders: ['Patroni demotes one of them', 'stop the node that does not hold the leader key'],
  RoutePending: ['the router opens the route within a second', 'see `pgherd get routers` if it takes longer'],
  NoRouter: ['nothing', 'start `pgherd router`'],
  PortsExhausted: ['a port is taken when one is free', 'widen --ports of controller and routers'],
  Kept: ['the data are erased when the grace is over', '`pgherd undelete {id}`, or `pgherd purge {id}`'],
  Stopping: ['the leader stops when the replicas have', '`pgherd undelete {id}` undoes it'],
  Deleting: ['all keys go once every cell has erased its node', 'start the agents of the cells that are named'],
  Held: ['nothing', '`pgherd undelete {id}`, or `pgherd confirm-deletions`'],
  Paused: ['nothing', 'set `paused: false`'],
  RolloutStopped: ['nothing', '`pgherd edit {id}`, or `pgherd rollback {id}`'],
  Restoring: ['its nodes are adopted as their cells report them', 'start the agents of the cells that are named'],
};

/** Sentences on what an instance waits for: since when, what happens next, and what would help. */
export function explain(instance: InstanceView, controller: string | undefined, nowMs: number): string[] {
  const state = stateOf(instance);
  if (!state) return [];
  const lines: string[] = [];
  if (controller === undefined) lines.push('No controller runs, so nothing is decided: start `pgherd controller`.');
  if (instance.document && !isCurrent(instance)) {
    lines.push('The document changed after the controller last looked; what follows is about the one before.');
  }
  for (const each of open(state)) lines.push(...sentences(each, instance.id, nowMs));
  if (lines.length === 0) lines.push('Everything is as the document wants it; nothing is due.');
  return lines;
}

/** What is not as it should be, each thing once. */
function open(state: ObservedState): Condition[] {
  const found = [condition(state, 'Deleting'), condition(state, 'Accepted'), condition(state, 'Paused')].filter(
    (each) => each && (each.type === 'Accepted' ? each.status === 'False' : true),
  );
  const ready = condition(state, 'Ready');
  if (ready?.status === 'False' && !condition(state, 'Deleting')) found.push(ready);
  found.push(condition(state, 'Degraded'));
  const said = new Set<string>();
  return found.filter((each): each is Condition => {
    if (!each || said.has(each.message)) return false;
    said.add(each.message);
    return true;
  });
}

function sentences({ reason, message, since }: Condition, id: string, nowMs: number): string[] {
  const age = printDuration(nowMs - Date.parse(since));
  const [next, unblock] = prospects[reason] ?? [];
  const rest = next === undefined ? [] : [`  Next: ${next}.`, `  To unblock: ${unblock?.replaceAll('{id}', id)}.`];
  return [`${capitalized(message)} (for ${age}).`, ...rest];
}

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
