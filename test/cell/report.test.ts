import { expect } from 'chai';
import { NodeMemory } from '../../src/cell/node-memory.ts';
import { observedNode } from '../../src/cell/report.ts';
import type { NodeSight } from '../../src/cell/runtime/runtime.ts';
import type { InstanceId, NodeId } from '../../src/schema/ids.ts';

const assignment = { instance: 'f1' as InstanceId, node: 'f1-aaaaaa' as NodeId };

/** What is reported of a node whose Patroni says one after the other. */
function reports(states: readonly string[], memory = new NodeMemory(undefined)) {
  return states.map((state) => {
    const sight: NodeSight = {
      state: 'running',
      instance: assignment.instance,
      specHash: 'h',
      ports: { postgresql: '10.0.0.1:1', patroni: '10.0.0.1:2' },
      pid: 1,
      directory: '/nodes/f1-aaaaaa',
      patroni: { role: 'replica', state, pendingRestart: false, streaming: undefined },
      complete: true,
    };
    memory.heard(state);
    return observedNode(assignment, sight, memory);
  });
}

describe('observedNode()', () => {
  it('says that a node is failed, in the same words, while Patroni tries again and again: the clock of its repair runs on', () => {
    const [first, ...rest] = reports(['start failed', 'starting', 'start failed', 'starting']);
    expect(first?.state).to.equal('failed');
    expect(first?.last_error).to.equal('Patroni says: start failed, see /nodes/f1-aaaaaa');
    for (const report of rest) expect(report).to.deep.equal(first);
  });

  it('says that it runs once it does, or is being copied, and forgets the failure', () => {
    for (const state of ['running', 'creating replica']) {
      const [, after, later] = reports(['start failed', state, 'starting']);
      expect(after?.state).to.equal(state === 'running' ? 'running' : 'starting');
      expect(after?.last_error).to.equal(undefined);
      expect(later?.state).to.equal('starting');
    }
  });

  it('gives a node that was started anew the time to start', () => {
    const memory = new NodeMemory(undefined);
    reports(['crashed'], memory);
    memory.started(0);
    expect(reports(['starting'], memory)[0]?.state).to.equal('starting');
  });
});
