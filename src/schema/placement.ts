import { desiredStatePrefix } from './desired-state.ts';
import type { InstanceId, NodeId } from './ids.ts';

/** `/serviceinstances/<id>/nodes/<node>/backend`: the id of the cell that holds the node, a plain string. */
export const backendKey = (instance: InstanceId, node: NodeId): string =>
  `${desiredStatePrefix}${instance}/nodes/${node}/backend`;

/** The instance and node of a backend key, undefined for any other key. */
export function parseBackendKey(key: string): { readonly instance: InstanceId; readonly node: NodeId } | undefined {
  const match = /^\/serviceinstances\/([^/]+)\/nodes\/([^/]+)\/backend$/.exec(key);
  return match ? { instance: match[1] as InstanceId, node: match[2] as NodeId } : undefined;
}
