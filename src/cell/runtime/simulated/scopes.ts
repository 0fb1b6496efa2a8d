import type { Change } from '../../../engine/informer.ts';
import type { InstanceId, NodeId } from '../../../schema/ids.ts';
import { type FailoverRequest, parseFailover, parseMember, parseScopeKey } from '../../../schema/patroni.ts';
import type { KeyValue } from '../../../store/store.ts';
import type { ScopeKeys } from './decide-scope.ts';

interface Scope extends ScopeKeys {
  leader: ScopeKeys['leader'];
  initialize: string | undefined;
  hasConfig: boolean;
  failover: FailoverRequest | undefined;
  history: readonly unknown[];
  readonly members: Map<string, { readonly role: string; readonly state: string; readonly modRevision: bigint }>;
}

const emptyScope = (): Scope => ({
  leader: undefined,
  initialize: undefined,
  hasConfig: false,
  failover: undefined,
  history: [],
  members: new Map(),
});

/** What Patroni's keys of all instances say, kept up to date from watch events. */
export class Scopes {
  readonly #scopes = new Map<InstanceId, Scope>();

  get(instance: InstanceId): Readonly<Scope> {
    return this.#scopes.get(instance) ?? emptyScope();
  }

  /** The members that are running and follow, sorted. */
  followers(instance: InstanceId): NodeId[] {
    const following = [...this.get(instance).members].filter(
      ([, { role, state }]) => role === 'replica' && state === 'running',
    );
    return following.map(([name]) => name as NodeId).sort();
  }

  /** Takes in a change; returns the instance if its nodes may have to answer it. */
  apply(change: Change<string>): InstanceId | undefined {
    const entry = change.type === 'put' ? change.entry : change.old;
    const parsed = parseScopeKey(entry.key);
    if (!parsed) return undefined;
    const scope = this.#scopes.get(parsed.instance) ?? emptyScope();
    this.#scopes.set(parsed.instance, scope);
    const value = change.type === 'put' ? entry.value : undefined;
    return takeIn(scope, parsed.rest, value, entry.modRevision) ? parsed.instance : undefined;
  }
}

/** Values that nobody here reads are not kept: there may be a hundred thousand of them. */
export const parseScopeValue = ({ key, value }: KeyValue): string =>
  /\/(leader|initialize|failover|history)$|\/members\//.test(key) ? value : '';

function takeIn(scope: Scope, rest: string, value: string | undefined, modRevision: bigint): boolean {
  if (rest.startsWith('members/')) return takeInMember(scope, rest.slice('members/'.length), value, modRevision);
  switch (rest) {
    case 'leader':
      scope.leader = value === undefined ? undefined : { name: value, modRevision };
      return true;
    case 'initialize':
      scope.initialize = value;
      return true;
    case 'failover':
      scope.failover = value === undefined ? undefined : requestOf(value);
      return true;
    case 'config':
      scope.hasConfig = value !== undefined;
      return false;
    case 'history':
      scope.history = value === undefined ? [] : listOf(value);
      return false;
    default:
      return false;
  }
}

/** Heartbeats, which only move the WAL position, wake nobody. */
function takeInMember(scope: Scope, name: string, value: string | undefined, modRevision: bigint): boolean {
  const before = scope.members.get(name);
  const parsed = value === undefined ? undefined : parseMember(value);
  if (!parsed?.ok) return scope.members.delete(name);
  const { role, state } = parsed.value;
  scope.members.set(name, { role, state, modRevision });
  return before?.role !== role || before.state !== state;
}

function requestOf(value: string): FailoverRequest | undefined {
  const request = parseFailover(value);
  return request.ok && (request.value.leader ?? request.value.member) ? request.value : undefined;
}

function listOf(value: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
