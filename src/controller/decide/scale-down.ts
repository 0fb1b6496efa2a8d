import { assignmentKey } from '../../schema/assignment.ts';
import { cellHealthKey } from '../../schema/cell-health.ts';

import { fenceKey } from '../../schema/fence.ts';
import { observedKey } from '../../schema/observed-node.ts';
import { backendKey } from '../../schema/placement.ts';
import type { InstanceView } from '../view/instance-view.ts';
import { isForgotten, isGone, livesWithout } from './cell-health.ts';
import { orderRemoval } from './deletion.ts';
import type { Membership, Remark } from './findings.ts';
import { guardHealth, isLive, runs, serves } from './health.ts';
import { moves, removeWish } from './moving.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { zoneOf } from './placement.ts';
import { switchOver } from './switchover.ts';

/** Removes the keys of nodes that their cells have erased; returns the others. */
export function forgetErased(pass: Pass, nodes: readonly SoundNode[]): SoundNode[] {
  return nodes.filter((node) => {
    if (node.desired === 'running' || node.observed) return true;
    removeKeys(pass, node);
    pass.draft.event('Normal', 'NodeRemoved', `node ${node.id} is erased from cell ${node.cell}`);
    return false;
  });
}

/** Takes back nodes that no agent began to start, if misplaced or too many: they have no data and can go at once. */
export function withdrawUnstarted(pass: Pass, nodes: readonly SoundNode[]): SoundNode[] {
  const running = nodes.filter((node) => node.desired === 'running');
  const unstarted = running.filter((node) => node.assignment && !node.observed);
  // Whoever replaces a node that is to be elsewhere is one too many until that one has gone, and wanted all the same.
  let surplus = running.filter((node) => !moves(pass, node)).length - pass.spec.node_count;
  const withdrawn = new Set<SoundNode>();
  for (const node of byWorstPlace(pass, running, unstarted)) {
    const isMisplaced = moves(pass, node);
    if (surplus <= 0 && !isMisplaced) continue;
    if (!isMisplaced) surplus -= 1;
    withdrawn.add(node);
    removeKeys(pass, node);
    pass.draft.event(
      'Normal',
      'NodeWithdrawn',
      `node ${node.id} is not wanted on cell ${node.cell} and was never started`,
    );
  }
  return nodes.filter((node) => !withdrawn.has(node));
}

function removeKeys({ view, draft }: Pass, node: SoundNode): void {
  // If the agent begins to start the node at this moment, exactly one of the two transactions wins.
  draft.guardAbsent(observedKey(node.cell, node.id));
  draft.delete(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n);
  draft.remove(backendKey(view.id, node.id));
  removeWish(view, node, draft);
  if (node.isFenced) draft.remove(fenceKey(view.id, node.id));
}

/**
 * Takes one step towards removing the worst placed node: waits until as many of the others serve as are wanted, switches
 * over if it leads, then orders its removal. One node is removed at a time.
 */
export function removeWorst(pass: Pass, nodes: readonly SoundNode[]): Membership {
  const { view, spec, health, draft } = pass;
  const busy = waitingForCell(view, nodes);
  if (busy) return { nodes, waiting: busy };
  const running = nodes.filter((node) => node.desired === 'running');
  const victim = chooseVictim(pass, running);
  const remaining = running.filter((node) => node !== victim);
  const serving = remaining.filter((node) => serves(node, health));
  const { leader } = health;
  if (isGone(view, victim) && victim.observed) return removeLost(pass, nodes, victim);
  const wait = (reason: string, message: string): Membership => ({ nodes, waiting: { reason, message } });
  if (!leader || !health.streaming || !running.includes(leader)) {
    return wait('Removing', `node ${victim.id} is to be removed once a leader runs and tells who streams from it`);
  }
  if (serving.length < spec.node_count || (victim !== leader && !serving.includes(leader))) {
    const idle = remaining.filter((node) => !serves(node, health));
    return wait('Removing', `node ${victim.id} is to be removed once ${names(idle)} run and stream`);
  }
  if (victim === leader) return wait('SwitchingOver', switchOver(pass, leader, serving));
  guardHealth(view, leader, draft);
  draft.event('Normal', 'NodeRemoving', `node ${victim.id} on cell ${victim.cell} is stopped and erased`);
  const after = nodes.map((node) => (node === victim ? orderRemoval(view, node, draft) : node));
  return { nodes: after, waiting: waitingForCell(view, after) };
}

function chooseVictim(pass: Pass, running: readonly SoundNode[]): SoundNode {
  const misplaced = running.filter((node) => moves(pass, node));
  const ranked = byWorstPlace(pass, running, misplaced.length > 0 ? misplaced : running);
  return ranked.find((node) => node !== pass.health.leader) ?? (ranked[0] as SoundNode);
}

// Its agent is not there to stop it. Should the cell come back, it stops the node, which nobody orders, and keeps the data.
function removeLost(pass: Pass, nodes: readonly SoundNode[], victim: SoundNode): Membership {
  const { view, health, draft } = pass;
  const others = nodes.filter((node) => node.desired === 'running' && !isGone(view, node));
  const idle = others.filter((node) => !serves(node, health));
  const accepted = view.herd.cells.get(victim.cell)?.maintenance?.accept_data_loss && isForgotten(view, victim);
  if (!accepted && (!health.leader || !livesWithout(view, victim, health) || idle.length > 0)) {
    const message = `node ${victim.id} on lost cell ${victim.cell} is dropped once ${names(idle) || 'another node'} leads or streams`;
    return { nodes, waiting: { reason: 'Replacing', message } };
  }
  if (health.leader) guardHealth(view, health.leader, draft);
  dropLost(pass, victim);
  return { nodes: nodes.filter((node) => node !== victim), waiting: undefined };
}

/** Takes a node of a lost cell out of the instance; what the cell had last reported of it stays, for when it is back. */
export function dropLost({ view, draft }: Pass, node: SoundNode): void {
  const cell = view.herd.cells.get(node.cell);
  draft.guard(cellHealthKey(node.cell), cell?.health?.modRevision ?? 0n);
  draft.delete(assignmentKey(node.cell, node.id), node.assignment?.modRevision ?? 0n);
  draft.remove(backendKey(view.id, node.id));
  if (isForgotten(view, node) && node.observed) {
    draft.delete(observedKey(node.cell, node.id), node.observed.modRevision);
  }
  removeWish(view, node, draft);
  const message = `node ${node.id} on cell ${node.cell}, which is lost, is no part of the instance any more`;
  draft.event('Warning', 'NodeLost', message);
}

/** What to say while a cell that is there has yet to erase a node. A cell that is gone is not waited for. */
export function waitingForCell(view: InstanceView, nodes: readonly SoundNode[]): Remark | undefined {
  const removing = nodes.find((node) => node.desired === 'removed' && isLive(view, node.cell));
  if (!removing) return undefined;
  const message = `node ${removing.id} is being removed: cell ${removing.cell} stops it and erases its data`;
  return { reason: 'Removing', message };
}

/** The worst placed first: misplaced, cell gone, not running, then by fullest zone and fullest cell, then the last name. */
function byWorstPlace(pass: Pass, all: readonly SoundNode[], candidates: readonly SoundNode[]): SoundNode[] {
  const { cells } = pass.view.herd;
  const zone = (node: SoundNode) => zoneOf(cells.get(node.cell));
  const rank = (node: SoundNode): number[] => [
    Number(moves(pass, node)),
    Number(!isLive(pass.view, node.cell)),
    Number(cells.get(node.cell)?.inMaintenance ?? false),
    Number(!runs(node)),
    all.filter((other) => zone(other) === zone(node)).length,
    cells.get(node.cell)?.nodes ?? 0,
  ];
  return [...candidates].sort((one, other) => {
    const [mine, its] = [rank(one), rank(other)];
    const at = mine.findIndex((value, index) => value !== its[index]);
    if (at >= 0) return (its[at] ?? 0) - (mine[at] ?? 0);
    return one.id < other.id ? 1 : -1;
  });
}
