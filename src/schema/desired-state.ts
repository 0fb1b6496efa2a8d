import { type InstanceId, parseInstanceId } from './ids.ts';

/**
 * `/serviceinstances/<id>`: the desired state of one instance, written by operators as YAML or JSON.
 * Below it: `nodes/<node>/backend` (placement.ts) and `credentials` (credentials.ts), written by the controller.
 * Reading the document is `instance-spec.ts`.
 */
export const desiredStatePrefix = '/serviceinstances/';

export const desiredStateKey = (id: InstanceId): string => `${desiredStatePrefix}${id}`;

/** Everything below the document, without the document itself. */
export const belowDesiredStatePrefix = (id: InstanceId): string => `${desiredStatePrefix}${id}/`;

/** The instance named by a document's key, undefined for any other key. Ids that are not allowed give undefined too. */
export function instanceOfDesiredStateKey(key: string): InstanceId | undefined {
  if (!key.startsWith(desiredStatePrefix)) return undefined;
  const parsed = parseInstanceId(key.slice(desiredStatePrefix.length));
  return parsed.ok ? parsed.value : undefined;
}
