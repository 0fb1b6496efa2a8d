import type { Assignment } from '../schema/assignment.ts';
import { bindingKey, patroniPort, postgresqlPort } from '../schema/binding.ts';
import type { NodeId } from '../schema/ids.ts';
import type { NodeState, ObservedNode } from '../schema/observed-node.ts';
import type { NodeMemory } from './node-memory.ts';
import type { NodePorts, NodeSight } from './runtime/runtime.ts';

// The first crash is answered with a start; a node that goes on crashing has failed.
const failuresToFail = 3;

/** The observed key of a node, as it should be. `heldBack`: why it is not restarted as ordered. */
export function observedNode(
  assignment: Pick<Assignment, 'instance' | 'node'> & { readonly desired?: Assignment['desired'] },
  sight: NodeSight,
  memory: Pick<NodeMemory, 'restarts' | 'failures' | 'lastError' | 'stopping' | 'broken'>,
  heldBack?: string,
): ObservedNode {
  const isHalted = assignment.desired === 'stopped' && sight.state !== 'running' && sight.state !== 'unknown';
  const state = isHalted ? 'stopped' : nodeState(sight, memory);
  const patroni = sight.state === 'running' ? sight.patroni : undefined;
  const lastError =
    sight.state === 'running' && memory.broken !== undefined
      ? `Patroni says: ${memory.broken}, see ${sight.directory}`
      : memory.lastError;
  return {
    instance: assignment.instance,
    node: assignment.node,
    state,
    spec_hash: isHere(sight) ? sight.specHash : '',
    ports: sight.state === 'running' && isAnnounced(sight, state) ? portsByInternal(sight.ports) : {},
    restarts: memory.restarts,
    ...(sight.state === 'running' && sight.pid !== undefined && { pid: sight.pid }),
    ...(state === 'running'
      ? heldBack !== undefined && { last_error: heldBack }
      : lastError !== undefined && { last_error: lastError }),
    ...(state === 'running' && patroni?.streaming && { streaming: [...patroni.streaming] }),
    ...(state === 'running' && patroni?.catchingUp && { catching_up: [...patroni.catchingUp] }),
    ...(patroni?.postgresqlVersion !== undefined && { postgresql_version: patroni.postgresqlVersion }),
    ...(patroni?.pendingRestart && { pending_restart: true }),
  };
}

/** Whether others may be told where it is: when it answers, or when it waits for just that. */
const isAnnounced = ({ looksItselfUp }: Extract<NodeSight, { state: 'running' }>, state: NodeState): boolean =>
  state === 'running' || (looksItselfUp === true && state !== 'stopping');

function nodeState(
  sight: NodeSight,
  { failures, stopping, lastError, broken }: Pick<NodeMemory, 'failures' | 'lastError' | 'stopping' | 'broken'>,
): NodeState {
  if (sight.state === 'running') {
    if (stopping) return 'stopping';
    if (sight.patroni?.state === 'running' && sight.complete) return 'running';
    return broken !== undefined || failures >= failuresToFail ? 'failed' : 'starting';
  }
  if (failures >= failuresToFail) return 'failed';
  if (isHere(sight)) return 'stopped';
  return lastError === undefined ? 'starting' : 'failed';
}

/** Whether something of the node is known to be here. */
export const isHere = (sight: NodeSight): sight is Exclude<NodeSight, { state: 'absent' | 'unknown' }> =>
  sight.state !== 'absent' && sight.state !== 'unknown';

const portsByInternal = (ports: NodePorts): Record<string, string> => ({
  [postgresqlPort]: ports.postgresql,
  [patroniPort]: ports.patroni,
});

/** The registrar's keys of a node with their values: one for each observed port. */
export function bindings(image: string, hostname: string, { node, ports }: ObservedNode): Map<string, string> {
  const keys = bindingKeys(image, hostname, node);
  return new Map(Object.entries(ports).map(([port, at]) => [keys.get(Number(port)) as string, at]));
}

/** The registrar's keys that a node may have, by internal port. */
export const bindingKeys = (image: string, hostname: string, node: NodeId): Map<number, string> =>
  new Map([postgresqlPort, patroniPort].map((port) => [port, bindingKey(image, hostname, node, port)]));
