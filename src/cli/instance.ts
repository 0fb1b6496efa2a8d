import { versionProblem } from '../controller/decide/major-version.ts';
import { desiredStateKey, desiredStatePrefix } from '../schema/desired-state.ts';
import { controllerLeaderKey } from '../schema/election.ts';
import type { InstanceId } from '../schema/ids.ts';
import type { InstanceSpec } from '../schema/instance-spec.ts';
import { type ObservedState, parseObservedState, stateKey } from '../schema/observed-state.ts';
import type { Parsed } from '../schema/parsed.ts';
import { type KeyRange, type KeyValue, prefixRange, type Store } from '../store/store.ts';
import { Failure } from './failure.ts';
import { didYouMean } from './similar.ts';

/** What says how an instance is: its document, its state, and whether a controller is there at all. */
export interface InstanceKeys {
  readonly id: InstanceId;
  readonly document?: KeyValue;
  readonly state?: Parsed<ObservedState>;
  readonly controller: string | undefined;
}

const keysOf = (id: InstanceId): readonly string[] => [desiredStateKey(id), stateKey(id), controllerLeaderKey];

/** Where `instanceKeys` are found. */
export const instanceRanges = (id: InstanceId): readonly KeyRange[] =>
  keysOf(id).map((key) => ({ start: key, end: `${key}\0` }));

export function instanceKeys(id: InstanceId, kvs: Iterable<KeyValue>): InstanceKeys {
  const byKey = new Map([...kvs].map((kv) => [kv.key, kv]));
  const document = byKey.get(desiredStateKey(id));
  const state = byKey.get(stateKey(id));
  return {
    id,
    ...(document && { document }),
    ...(state && { state: parseObservedState(state.value) }),
    controller: byKey.get(controllerLeaderKey)?.value,
  };
}

/** Looks at one instance. */
export async function readInstance(store: Store, id: InstanceId, signal: AbortSignal): Promise<InstanceKeys> {
  const { reads } = await store.txn({ if: [], then: keysOf(id).map((key) => ({ type: 'get', key })) }, { signal });
  return instanceKeys(
    id,
    reads.flatMap((kv) => kv ?? []),
  );
}

/** Why the controller would refuse this spec for the data that the instance has; undefined when it would not. */
export function versionConflict({ state }: InstanceKeys, spec: InstanceSpec): string | undefined {
  if (!state?.ok || spec.adopted) return undefined;
  return versionProblem(state.value.postgresql_version, state.value.accepted, spec);
}

/** The readable state of an instance that exists; fails with what to do otherwise. */
export async function readState(store: Store, id: InstanceId, signal: AbortSignal): Promise<ObservedState> {
  const instance = await readInstance(store, id, signal);
  if (!instance.document && !instance.state) throw await noInstance(store, id, signal);
  if (!instance.state) {
    const next = instance.controller === undefined ? 'start `pgherd controller`' : `wait with \`pgherd wait ${id}\``;
    throw new Failure(`the controller has not looked at instance ${id} yet: ${next}`);
  }
  if (!instance.state.ok) throw new Failure(`the state of instance ${id} cannot be read: ${instance.state.problem}`);
  return instance.state.value;
}

/** That there is no such instance, with the nearest name that there is. */
export async function noInstance(store: Store, id: string, signal: AbortSignal): Promise<Failure> {
  const { kvs } = await store.list(prefixRange(desiredStatePrefix), { signal });
  const ids = kvs.map(({ key }) => key.slice(desiredStatePrefix.length)).filter((each) => !each.includes('/'));
  return new Failure(`no instance ${JSON.stringify(id)}.${didYouMean(id, ids) || ' See `pgherd get instances`'}`);
}
