import type { Assignment } from '../schema/assignment.ts';
import type { Parsed } from '../schema/parsed.ts';
import type { NodeSight } from './runtime/runtime.ts';

/** Everything that matters for what to do about one node now. */
export interface NodeView {
  /** What the controller ordered; undefined when there is no such key. */
  readonly assignment: Parsed<Assignment> | undefined;
  /** Whether the store has an observed key of the node on this cell. */
  readonly observed: boolean;
  readonly sight: NodeSight;
  /** When the node may be started again at the earliest, monotonic: it failed before. */
  readonly notBeforeMs: number;
  /** Until when it is neither started nor restarted, monotonic: what it needs is not here. */
  readonly heldUntilMs: number;
}

/** The one thing to do next. Every action is repeatable, and leads to a view that asks for another, or for nothing. */
export type NodeAction =
  | { readonly do: 'nothing' }
  | { readonly do: 'wait'; readonly ms: number }
  /** Say in the store that something of the node may exist here, if the order still stands; before the first start. */
  | { readonly do: 'claim' }
  | { readonly do: 'start' }
  | { readonly do: 'stop'; readonly why: 'removed' | 'halted' | 'vanished' | 'changed' }
  /** Prove that the node's processes are gone, and let go of the leader key if it has it. */
  | { readonly do: 'release' }
  | { readonly do: 'erase' }
  /** Keep the data where a person finds them. */
  | { readonly do: 'discard' }
  /** Say in the store that nothing of the node is here any more. */
  | { readonly do: 'withdraw' };

const lookAgainMs = 5000;
const nothing: NodeAction = { do: 'nothing' };

/** What to do next about one node. */
export function decideNode(
  { assignment, observed, sight, notBeforeMs, heldUntilMs }: NodeView,
  nowMs: number,
): NodeAction {
  // First of all, whatever is ordered: others may be waiting for the leader key.
  if (sight.state === 'ended') return { do: 'release' };
  // What cannot be read is no order, and not the absence of one.
  if (assignment && !assignment.ok) return nothing;
  const isWanted = assignment?.value.desired === 'running';
  if (sight.state === 'unknown' && !isWanted) return { do: 'wait', ms: lookAgainMs };
  if (!assignment || assignment.value.desired === 'removed') {
    const isOrdered = assignment !== undefined;
    if (sight.state === 'running') return { do: 'stop', why: isOrdered ? 'removed' : 'vanished' };
    if (sight.state === 'stopped') return { do: isOrdered ? 'erase' : 'discard' };
    return observed ? { do: 'withdraw' } : nothing;
  }
  // Its data stay where they are, for the day when it is wanted again.
  if (assignment.value.desired === 'stopped') {
    return sight.state === 'running' ? { do: 'stop', why: 'halted' } : nothing;
  }
  if (sight.state === 'running') {
    if (sight.specHash === assignment.value.spec_hash) return nothing;
    return nowMs < heldUntilMs ? { do: 'wait', ms: heldUntilMs - nowMs } : { do: 'stop', why: 'changed' };
  }
  if (!observed) return { do: 'claim' };
  const notBefore = Math.max(notBeforeMs, heldUntilMs);
  return nowMs < notBefore ? { do: 'wait', ms: notBefore - nowMs } : { do: 'start' };
}
