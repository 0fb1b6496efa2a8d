import { type Credentials, parseCredentialsKey } from '../../schema/credentials.ts';
import { instanceOfDesiredStateKey } from '../../schema/desired-state.ts';
import { type CellId, type InstanceId, instanceOfNode, type NodeId } from '../../schema/ids.ts';
import type { NodeState } from '../../schema/observed-node.ts';
import type { Parsed } from '../../schema/parsed.ts';
import { parseScopeKey } from '../../schema/patroni.ts';
import { memberRuns } from '../decide/health.ts';
import type { StateFacts } from '../view/facts.ts';
import type { CellFact, ScopeFact } from '../view/facts-of-keys.ts';
import type { Informers } from '../view/informers.ts';

/** One node of an instance, as the keys have it now. */
export interface CountedNode {
  readonly id: NodeId;
  readonly cell: CellId;
  /** Undefined: its cell has not spoken of it. */
  readonly state: NodeState | undefined;
  /** Of Patroni's member key, in bytes of WAL. */
  readonly position: number | undefined;
}

/** One instance of ours, as the keys have it now. */
export interface CountedInstance {
  readonly id: InstanceId;
  /** The last word of the controller; undefined before its first, or when it cannot be read. */
  readonly state: StateFacts | undefined;
  /** Whom the leader key names. */
  readonly leader: string | undefined;
  /** Members that lead or say so: the one the leader key names, and those that claimed to lead after it was written. */
  readonly leaders: number;
  /** Replicas that stream, as the leader's cell says. */
  readonly streaming: number;
  /** When its accounts were generated, in seconds since 1970; undefined when nobody knows. */
  readonly credentialsAt: number | undefined;
  /** Those that are to run. */
  readonly nodes: readonly CountedNode[];
}

type Keyed<T> = Iterable<{ readonly key: string; readonly value: T; readonly modRevision: bigint }>;

/** Counts all instances in one walk over what the informers hold: for a scrape, never for a pass. */
export function takeCensus({ instances, scopes, cells }: Pick<Informers, 'instances' | 'scopes' | 'cells'>) {
  const tallies = new Map<InstanceId, Tally>();
  const tally = (id: InstanceId): Tally => {
    let found = tallies.get(id);
    if (!found) {
      found = new Tally(id);
      tallies.set(id, found);
    }
    return found;
  };
  for (const { key, value } of instances.entries()) {
    if (value.kind === 'credentials') addCredentials(key, value.value, tally);
    const id = value.kind === 'document' ? instanceOfDesiredStateKey(key) : undefined;
    if (id) tally(id).isOurs = true;
  }
  addScopes(scopes.entries(), tally);
  addCells(cells.entries(), tally);
  // Other Patroni clusters may share `/service`.
  return [...tallies.values()].filter(({ isOurs }) => isOurs).map((each) => each.count());
}

function addCredentials(key: string, value: Parsed<Credentials>, tally: (id: InstanceId) => Tally): void {
  const id = parseCredentialsKey(key);
  if (id && value.ok) tally(id).credentials = value.value;
}

function addScopes(entries: Keyed<ScopeFact>, tally: (id: InstanceId) => Tally): void {
  for (const { key, value, modRevision } of entries) {
    if (value.kind !== 'state' && value.kind !== 'leader' && value.kind !== 'member') continue;
    const at = parseScopeKey(key);
    if (!at) continue;
    const into = tally(at.instance);
    if (value.kind === 'leader') into.leader = { name: value.value, modRevision };
    else if (value.kind === 'state') {
      into.isOurs = true;
      into.state = value.value.ok ? value.value.value : undefined;
    } else if (value.value.ok) {
      const { primary, state } = value.value.value;
      const claims = primary && memberRuns(state);
      into.members.set(at.rest.slice('members/'.length), { claims, modRevision, position: value.position });
    }
  }
}

function addCells(entries: Keyed<CellFact>, tally: (id: InstanceId) => Tally): void {
  for (const { key, value } of entries) {
    if ((value.kind !== 'assignment' && value.kind !== 'observed') || !value.value.ok) continue;
    const [, , , cell, node] = key.split('/') as [string, string, string, CellId, NodeId];
    const id = instanceOfNode(node);
    if (!id) continue;
    const into = tally(id);
    if (value.kind === 'observed') {
      const { state, streaming } = value.value.value;
      into.observed.set(node, { cell, state, streaming: streaming?.length });
    } else if (value.value.value.desired === 'running') into.assigned.push({ node, cell });
  }
}

class Tally {
  readonly id: InstanceId;
  isOurs = false;
  credentials: Credentials | undefined;
  state: StateFacts | undefined;
  leader: { readonly name: string; readonly modRevision: bigint } | undefined;
  readonly members = new Map<
    string,
    { readonly claims: boolean; readonly modRevision: bigint; readonly position: number | undefined }
  >();
  readonly assigned: { readonly node: NodeId; readonly cell: CellId }[] = [];
  readonly observed = new Map<
    NodeId,
    { readonly cell: CellId; readonly state: NodeState; readonly streaming: number | undefined }
  >();

  constructor(id: InstanceId) {
    this.id = id;
  }

  count(): CountedInstance {
    const { id, state, leader } = this;
    const nodes = this.assigned.map(({ node, cell }): CountedNode => {
      const seen = this.observed.get(node);
      const position = this.members.get(node)?.position;
      return { id: node, cell, state: seen?.cell === cell ? seen.state : undefined, position };
    });
    const streaming = this.observed.get(leader?.name as NodeId)?.streaming ?? 0;
    const credentialsAt = this.#credentialsAt();
    return { id, state, leader: leader?.name, leaders: this.#leaders(), streaming, credentialsAt, nodes };
  }

  // Those of an instance that is older than the field do not say: they were generated with it.
  #credentialsAt(): number | undefined {
    if (!this.credentials) return undefined;
    const at = Date.parse(this.credentials.created_at ?? this.state?.createdAt ?? '') / 1000;
    return Number.isNaN(at) ? undefined : at;
  }

  // A member's own word lags: what it said before the key changed hands is no claim against it.
  #leaders(): number {
    const { leader } = this;
    if (!leader) return 0;
    let leaders = this.assigned.some(({ node }) => node === leader.name) ? 1 : 0;
    for (const [name, { claims, modRevision }] of this.members) {
      if (claims && name !== leader.name && modRevision >= leader.modRevision) leaders += 1;
    }
    return leaders;
  }
}
