import type { NodeId } from '../../schema/ids.ts';
import { isBroken } from '../../schema/patroni.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { livesWithout } from './cell-health.ts';
import { orderRemoval } from './deletion.ts';
import type { Remark } from './findings.ts';
import { guardHealth, type Health, isLive, memberRuns, serves } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';

/** A replica that cannot follow, and since when. */
export interface Unwell {
  readonly node: NodeId;
  readonly since: string;
}

/** How long a replica may fail to follow before it is built anew, unless told otherwise. */
export const defaultRepairAfterMs = 5 * 60_000;
const mostAnHour = 3;
const hourMs = 3_600_000;

/**
 * The replicas that cannot follow although there is a leader to follow: they fail to start, or run and never stream.
 * One that is being copied, rewound, restarted or catches up is on its way. The state remembers since when.
 */
export function findUnwell(
  view: InstanceView,
  nodes: readonly SoundNode[],
  health: Health,
  specHash: string | undefined,
  now: Date,
): Unwell[] {
  const state = view.state?.value.ok ? view.state.value.value : undefined;
  // A node that does not come back with new parameters is not mended by other data: the rollout stops and says so.
  if (state?.rollout) return [];
  const before = state?.unwell ?? [];
  return nodes
    .filter((node) => cannotFollow(view, node, health, specHash))
    .map(({ id }) => before.find(({ node }) => node === id) ?? { node: id, since: now.toISOString() });
}

function cannotFollow(view: InstanceView, node: SoundNode, health: Health, specHash: string | undefined): boolean {
  const { desired, observed, member } = node;
  if (node.isHalted || node.isFenced) return false;
  if (desired !== 'running' || !observed || !health.streaming || !livesWithout(view, node, health)) return false;
  if (!isLive(view, node.cell) || serves(node, health) || health.catchingUp.has(node.id)) return false;
  if (observed.value.state === 'failed') return true;
  // One that is to restart has the time of the restart.
  return (
    observed.value.state === 'running' &&
    observed.value.specHash === specHash &&
    member !== undefined &&
    (memberRuns(member.state) || isBroken(member.state))
  );
}

/** What became of the instance's replicas that cannot follow. */
export interface Repair {
  readonly nodes: readonly SoundNode[];
  readonly waiting: Remark | undefined;
  /** What people should know: why a replica is left as it is. */
  readonly remarks: readonly Remark[];
}

/**
 * Builds a replica anew that could not follow for long: Patroni rewinds what can be rewound by itself. One at a time, at
 * most three an hour, never the leader and nobody who streams. When no replica follows at all nothing is touched: more
 * likely they cannot reach the leader, and they are the copies that are left.
 */
export function decideRepair(pass: Pass, nodes: readonly SoundNode[]): Repair {
  const { view, health, draft, now, unwell } = pass;
  const { leader } = health;
  const none = (...remarks: Remark[]): Repair => ({ nodes, waiting: undefined, remarks });
  if (unwell.length === 0 || !leader) return none();
  const afterMs = view.herd.settings.repairAfterMs ?? defaultRepairAfterMs;
  const due = unwell.filter(({ since }) => {
    const leftMs = Date.parse(since) + afterMs - now.getTime();
    if (leftMs > 0) draft.lookAgainIn(leftMs);
    return leftMs <= 0;
  });
  const victim = nodes.find((node) => due.some(({ node: id }) => id === node.id));
  if (!victim) return none();
  const since = unwell.find(({ node }) => node === victim.id)?.since;
  const error = victim.observed?.value.lastError;
  const what = `node ${victim.id} cannot follow since ${since}${error === undefined ? '' : ` (${error})`}`;
  if (unwell.length > 1 && health.streaming?.size === 0) {
    const all = nodes.filter((node) => unwell.some(({ node: id }) => id === node.id));
    const message = `none of the replicas ${names(all)} follows ${leader.id}, so none is built anew; check the network of cell ${leader.cell}`;
    return none({ reason: 'RepairHeld', message });
  }
  const repairs = recentRepairs(view, now);
  if (repairs.length >= mostAnHour) {
    draft.lookAgainIn(Date.parse(repairs[0] as string) + hourMs - now.getTime());
    const message = `${what}, and was built anew ${mostAnHour} times within an hour; see its logs on cell ${victim.cell}`;
    return none({ reason: 'RepairsExhausted', message });
  }
  if (nodes.some((node) => node.desired === 'removed' && isLive(view, node.cell))) return none();
  guardHealth(view, leader, draft);
  draft.repairs = [...repairs, now.toISOString()];
  draft.event('Warning', 'ReplicaRebuilt', `${what}: it is built anew from ${leader.id}`);
  const waiting = { reason: 'Repairing', message: `${what}: it is erased and built anew from ${leader.id}` };
  return {
    nodes: nodes.map((node) => (node === victim ? orderRemoval(view, node, draft) : node)),
    waiting,
    remarks: [],
  };
}

/** When replicas were built anew within the last hour, the earliest first. */
function recentRepairs(view: InstanceView, now: Date): readonly string[] {
  const all = view.state?.value.ok ? view.state.value.value.repairs : [];
  return all.filter((at) => Date.parse(at) > now.getTime() - hourMs);
}
