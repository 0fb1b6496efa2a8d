import type { Remark } from './findings.ts';
import { serves } from './health.ts';
import { moves, whyMoves } from './moving.ts';
import type { SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { switchOver } from './switchover.ts';

const queuedMs = 2_000;

/**
 * What comes before a replacement is placed for a node that is to be elsewhere: a leader on a cell that drains hands over
 * at once if another node can take over, and moves that touch the whole fleet wait for their turn.
 */
export function beginMove(
  pass: Pass,
  running: readonly SoundNode[],
  moving: readonly SoundNode[],
): { readonly waiting: Remark | undefined; readonly cost: number } {
  const { view, health, draft, random } = pass;
  const leader = moving.find((node) => node === health.leader);
  if (leader && whyMoves(pass, leader) === 'drain') {
    const candidates = running.filter((node) => !moves(pass, node) && serves(node, health));
    if (candidates.length > 0) {
      return { waiting: { reason: 'SwitchingOver', message: switchOver(pass, leader, candidates) }, cost: 0 };
    }
  }
  // What an operator asked of this one instance is not rationed.
  const isRationed = moving.every((node) =>
    ['lost', 'drain', 'rebalance', 'software'].includes(whyMoves(pass, node) ?? ''),
  );
  if (!isRationed) return { waiting: undefined, cost: 0 };
  if ((view.herd.moves ?? 1) < 1) {
    draft.lookAgainIn(queuedMs + random(queuedMs));
    const message = 'other nodes of the fleet are being replaced at this moment; this one is next in a few seconds';
    return { waiting: { reason: 'ReplacementQueued', message }, cost: 0 };
  }
  return { waiting: undefined, cost: 1 };
}
