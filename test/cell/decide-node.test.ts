import { expect } from 'chai';
import { decideNode, type NodeAction, type NodeView } from '../../src/cell/decide-node.ts';
import type { NodeSight } from '../../src/cell/runtime/runtime.ts';
import type { InstanceId } from '../../src/schema/ids.ts';
import { bad, good } from '../../src/schema/parsed.ts';
import { testAssignment } from '../fixtures/patroni.ts';

const instance = 'i' as InstanceId;
const absent: NodeSight = { state: 'absent' };
const unknown: NodeSight = { state: 'unknown' };
const stopped: NodeSight = { state: 'stopped', instance, specHash: 'h1' };
const ports = { postgresql: 'a:1', patroni: 'a:2' };
const running: NodeSight = {
  state: 'running',
  instance,
  specHash: 'h1',
  ports,
  patroni: undefined,
  directory: '/d',
  complete: true,
};
const ended: NodeSight = { state: 'ended', instance, specHash: 'h1', unexpected: 'killed', complete: true };
const run = good(testAssignment('i', 'a'));
const changed = good(testAssignment('i', 'a', { spec_hash: 'h2' }));
const remove = good(testAssignment('i', 'a', { desired: 'removed' }));
const halt = good(testAssignment('i', 'a', { desired: 'stopped' }));
const unreadable = bad('not JSON');

const nothing: NodeAction = { do: 'nothing' };
const release: NodeAction = { do: 'release' };

describe('decideNode()', () => {
  const cases: [string, Partial<NodeView>, NodeAction][] = [
    ['has nothing to do for a node that never was', {}, nothing],
    ['says that a node may exist before it is first started', { assignment: run }, { do: 'claim' }],
    ['stops a node by order', { assignment: halt, observed: true, sight: running }, { do: 'stop', why: 'halted' }],
    ['keeps the data of a stopped node by order', { assignment: halt, observed: true, sight: stopped }, nothing],
    ['claims nothing for a node that is to be stopped', { assignment: halt }, nothing],
    ['releases a node that ended by order', { assignment: halt, observed: true, sight: ended }, release],
    ['starts a claimed node', { assignment: run, observed: true }, { do: 'start' }],
    ['starts a stopped node again', { assignment: run, observed: true, sight: stopped }, { do: 'start' }],
    ['claims a stopped node anew whose key was deleted', { assignment: run, sight: stopped }, { do: 'claim' }],
    [
      'waits before it starts a node that failed',
      { assignment: run, observed: true, sight: stopped, notBeforeMs: 1500 },
      { do: 'wait', ms: 500 },
    ],
    ['leaves a running node alone', { assignment: run, observed: true, sight: running }, nothing],
    [
      'restarts a node whose order changed',
      { assignment: changed, observed: true, sight: running },
      { do: 'stop', why: 'changed' },
    ],
    [
      'starts a stopped node with the changed order',
      { assignment: changed, observed: true, sight: stopped },
      { do: 'start' },
    ],
    ['releases before it starts again', { assignment: run, observed: true, sight: ended }, release],
    ['releases at once, however often the node failed', { assignment: run, sight: ended, notBeforeMs: 9e9 }, release],
    ['releases before it erases', { assignment: remove, observed: true, sight: ended }, release],
    ['releases a node that nobody ordered', { sight: ended }, release],
    ['releases a node whose order cannot be read', { assignment: unreadable, sight: ended }, release],
    ['stops a removed node', { assignment: remove, observed: true, sight: running }, { do: 'stop', why: 'removed' }],
    [
      'erases a removed node when it is stopped',
      { assignment: remove, observed: true, sight: stopped },
      { do: 'erase' },
    ],
    ['confirms a removed node when it is erased', { assignment: remove, observed: true }, { do: 'withdraw' }],
    ['leaves a removed node to the controller once confirmed', { assignment: remove }, nothing],
    ['stops a node that nobody ordered', { observed: true, sight: running }, { do: 'stop', why: 'vanished' }],
    ['keeps the data of a node that nobody ordered', { observed: true, sight: stopped }, { do: 'discard' }],
    ['keeps them also when the store never heard of it', { sight: stopped }, { do: 'discard' }],
    ['says that it is gone when it is put aside', { observed: true }, { do: 'withdraw' }],
    ['tries to start a node that may be there', { assignment: run, observed: true, sight: unknown }, { do: 'start' }],
    [
      'never says that a node is gone that may be there',
      { assignment: remove, observed: true, sight: unknown },
      { do: 'wait', ms: 5000 },
    ],
    ['nor when nobody ordered it', { observed: true, sight: unknown }, { do: 'wait', ms: 5000 }],
    [
      'lets a node run on that could not be started as ordered',
      { assignment: changed, observed: true, sight: running, heldUntilMs: 3000 },
      { do: 'wait', ms: 2000 },
    ],
    [
      'does not start a node whose image is on its way',
      { assignment: run, observed: true, sight: stopped, heldUntilMs: 3000 },
      { do: 'wait', ms: 2000 },
    ],
    [
      'removes a node that could not be restarted',
      { assignment: remove, observed: true, sight: running, heldUntilMs: 3000 },
      { do: 'stop', why: 'removed' },
    ],
    ['leaves a running node alone whose order cannot be read', { assignment: unreadable, sight: running }, nothing],
    ['keeps a stopped node whose order cannot be read', { assignment: unreadable, sight: stopped }, nothing],
    ['starts nothing on an order that cannot be read', { assignment: unreadable, observed: true }, nothing],
  ];
  for (const [what, view, action] of cases) {
    it(what, () => {
      const never = { notBeforeMs: -Infinity, heldUntilMs: -Infinity };
      const whole = { assignment: undefined, observed: false, sight: absent, ...never, ...view };
      expect(decideNode(whole, 1000)).to.deep.equal(action);
    });
  }
});
