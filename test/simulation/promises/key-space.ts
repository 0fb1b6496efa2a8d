import { assignmentsPrefix, parseAssignment, parseAssignmentKey } from '../../../src/schema/assignment.ts';
import type { CellId, InstanceId, NodeId } from '../../../src/schema/ids.ts';
import { type ObservedState, parseObservedState, stateKey } from '../../../src/schema/observed-state.ts';
import type { World } from '../../controller/support/world.ts';

/** An order as the promises look at it. */
export interface Assigned {
  readonly cell: CellId;
  readonly node: NodeId;
  readonly desired: string;
  readonly hash: string;
}

/** All orders, or those for one instance. */
export function assigned(world: World, id?: string): Assigned[] {
  return world.keys(assignmentsPrefix).flatMap((key) => {
    const at = parseAssignmentKey(key);
    const assignment = assignmentOf(world.text(key) ?? '');
    if (!at || !assignment.ok || (id !== undefined && assignment.value.instance !== id)) return [];
    return [{ ...at, desired: assignment.value.desired, hash: assignment.value.spec_hash }];
  });
}

/** The state of an instance, undefined when there is none that can be read. */
export function stateOf(world: World, id: string): ObservedState | undefined {
  const state = readState(world.text(stateKey(id as InstanceId)) ?? '');
  return state.ok ? state.value : undefined;
}

/** The same texts are looked at again and again. */
function remembered<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    let parsed = known.get(text);
    if (parsed === undefined) {
      if (known.size > 500) known.clear();
      parsed = parse(text);
      known.set(text, parsed);
    }
    return parsed;
  };
}
const assignmentOf = remembered(parseAssignment);
const readState = remembered(parseObservedState);
