import { desiredStatePrefix } from './desired-state.ts';
import type { InstanceId, NodeId } from './ids.ts';

/**
 * `/serviceinstances/<id>/nodes/<node>/fenced`: an operator wants this node stopped and left as it is, not replaced. The
 * value is the reason, for people.
 */
export const fenceKey = (instance: InstanceId, node: NodeId): string =>
  `${desiredStatePrefix}${instance}/nodes/${node}/fenced`;

/** The instance and node of a fence key, undefined for any other key. */
export function parseFenceKey(key: string): { readonly instance: InstanceId; readonly node: NodeId } | undefined {
  const match = /^\/serviceinstances\/([^/]+)\/nodes\/([^/]+)\/fenced$/.exec(key);
  return match ? { instance: match[1] as InstanceId, node: match[2] as NodeId } : undefined;
}
