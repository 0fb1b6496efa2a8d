import type { Membership, Remark } from './findings.ts';
import { haltNode } from './halt.ts';
import { runs, serves } from './health.ts';
import { names, type SoundNode } from './nodes.ts';
import type { Pass } from './pass.ts';
import { switchOver } from './switchover.ts';

/**
 * Stops the nodes that an operator fenced, and leaves them as they are. One that leads hands over first: were it stopped
 * while another node lags, that one might take over without the last writes. With nobody left who could take over it
 * stops at once, and so does a leader whose other nodes are fenced too.
 */
export function fence(pass: Pass, nodes: readonly SoundNode[]): Pick<Membership, 'nodes' | 'waiting'> {
  const { view, draft } = pass;
  let waiting: Remark | undefined;
  const after = nodes.map((node) => {
    if (!node.isFenced || node.isHalted || node.desired === 'removed' || !node.assignment) return node;
    const before = handOver(pass, node, nodes);
    if (before) {
      waiting = before;
      return node;
    }
    draft.event('Normal', 'NodeFenced', `node ${node.id} on cell ${node.cell} is stopped and left as it is`);
    return haltNode(view, node, draft);
  });
  return { nodes: after, waiting };
}

/** What has to happen before the node may stop, undefined when nothing has. */
function handOver(pass: Pass, node: SoundNode, nodes: readonly SoundNode[]): Remark | undefined {
  const { health } = pass;
  if (node !== health.leader || !runs(node)) return undefined;
  const others = nodes.filter((each) => each !== node && each.desired === 'running' && !each.isFenced);
  if (others.length === 0) return undefined;
  const serving = others.filter((other) => serves(other, health));
  if (serving.length > 0) return { reason: 'SwitchingOver', message: switchOver(pass, node, serving) };
  const message = `${node.id} is fenced and leads: it stops once ${names(others)} can take over without losing a write`;
  return { reason: 'Fencing', message };
}
