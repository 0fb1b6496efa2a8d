import { expect } from 'chai';
import { herdOfFive, herdWithF1, standard } from '../support/herd-of-five.ts';
import { shape } from '../support/shape.ts';

describe('decide(), admission', () => {
  it('keeps the last accepted document in force when the next one is refused, and says why', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 1.5 }));
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.condition('f1', 'Accepted')).to.include({ status: 'False', reason: 'Refused' });
    expect(world.condition('f1', 'Accepted')?.message).to.match(/node-count is 1.5: a whole number.*stays in force$/);
    expect(world.state('f1').last_operation.state).to.equal('failed');
    expect(world.condition('f1', 'Ready')?.status).to.equal('False');
  });

  it('succeeds at once when the refused document is put right', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', '{a: [');
    world.pass('f1');
    world.apply('f1', standard());
    world.pass('f1');
    expect(world.state('f1').last_operation.state).to.equal('succeeded');
  });

  it('places nothing for a document that was never accepted, and forgets it when it goes', () => {
    const { world } = herdOfFive();
    const before = world.keys();
    world.apply('f1', 'plan: huge');
    world.pass('f1');
    expect(world.condition('f1', 'Accepted')?.message).to.match(/^plan is "huge": use one of standard/);
    expect(world.keys('/cells/assignments/')).to.deep.equal([]);
    world.delete('/serviceinstances/f1');
    world.pass('f1');
    expect(world.keys()).to.deep.equal(before);
  });

  it('writes nothing but the state of a paused instance', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 5, postgresql: { work_mem: '8MB' } }, { paused: true }));
    const decision = world.pass('f1');
    expect(decision.ops.map((op) => 'key' in op && op.key)).to.deep.equal(['/service/f1/state']);
    expect(world.condition('f1', 'Paused')?.status).to.equal('True');
    expect(world.condition('f1', 'Placed')?.message).to.match(/^3 of 5 nodes placed: the instance is paused/);
    world.apply('f1', standard({ 'node-count': 5 }));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.condition('f1', 'Paused')).to.equal(undefined);
  });

  it('ends where the last of contradictory edits ends, whichever of them a pass has seen', () => {
    const edits = [
      standard({ 'node-count': 5 }),
      standard({ 'node-count': 1, cells: ['n1'] }),
      standard({ 'node-count': 3, cells: ['n2', 'n3', 'n5'], postgresql: { max_connections: 50 } }),
      standard({ 'node-count': 2, zones: ['z2'], image: 'patroni:15' }),
    ];
    for (const seen of [0b0000, 0b0001, 0b0110, 0b1010, 0b1111]) {
      const simulation = herdWithF1();
      const { world } = simulation;
      for (const [at, edit] of edits.entries()) {
        world.apply('f1', edit);
        if (seen & (1 << at)) world.pass('f1');
        if (seen & (1 << at) && at % 2 === 0) simulation.stepAll(['f1']);
      }
      simulation.settle(['f1']);
      const fresh = herdOfFive();
      fresh.world.apply('f1', edits.at(-1));
      fresh.settle(['f1']);
      expect(shape(world, 'f1')).to.deep.equal(shape(fresh.world, 'f1'));
    }
  });

  it('keeps what it can place of an instance whose pool is too small or unknown, and says which cells lack', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({ cells: ['n1', 'n3', 'nowhere'] }));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Placed')?.reason).to.equal('NoRoom');
    expect(world.condition('f1', 'Placed')?.message).to.include('nothing is known of nowhere');
    expect(world.state('f1').nodes).to.have.length(3);
    expect(world.condition('f1', 'Routed')?.status).to.equal('True');
  });

  it('loses against an edit of the document that comes at the same moment', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 1 }));
    const decision = world.decide('f1');
    world.apply('f1', standard());
    expect(world.commit(decision)).to.equal(false);
  });
});

describe('decide(), deletion', () => {
  it('waits for every cell before it removes a key', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.delete('/serviceinstances/f1');
    const kept = world.keys();
    world.pass('f1');
    expect(world.keys()).to.deep.equal(kept);
    expect(world.condition('f1', 'Deleting')?.status).to.equal('True');
    for (const cell of simulation.cells().slice(1)) simulation.stepCell(cell);
    world.pass('f1');
    expect(world.text('/routing/allocation/f1')).to.equal('30000');
    expect(world.keys('/cells/assignments/')).to.have.length(3);
  });

  it('names the cell that it waits for when its agent is gone', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const { world } = simulation;
    const [node] = world.state('f1').nodes;
    world.delete(`/cells/registered/${node?.backend_id}`);
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Deleting')?.message).to.equal(
      `waiting for the cells to stop and erase ${node?.node_id} on ${node?.backend_id}, whose agent is gone`,
    );
  });

  it('removes everything in one transaction at once when no node was ever started', () => {
    const { world } = herdOfFive();
    world.apply('f1', standard());
    world.pass('f1');
    world.delete('/serviceinstances/f1');
    world.pass('f1');
    expect(world.keys().filter((key) => key.includes('f1'))).to.deep.equal([]);
    expect(world.text('/routing/ports/30000')).to.equal(undefined);
  });

  it('loses against an agent that begins to start a node at the same moment', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard());
    world.pass('f1');
    world.delete('/serviceinstances/f1');
    const decision = world.decide('f1');
    for (const cell of simulation.cells()) simulation.stepCell(cell);
    expect(world.commit(decision)).to.equal(false);
  });

  it('finishes although the document was put back meanwhile, then creates the instance anew on the next port', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const old = world.state('f1');
    world.delete('/serviceinstances/f1');
    world.pass('f1');
    world.apply('f1', standard());
    simulation.settle(['f1']);
    const state = world.state('f1');
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(state.nodes.some(({ node_id }) => old.nodes.some((node) => node.node_id === node_id))).to.equal(false);
    expect(state.uid).to.not.equal(old.uid);
    expect(state.endpoint).to.equal('127.0.0.9:30001');
    expect(world.text('/routing/ports/30000')).to.equal(undefined);
  });

  it('goes on with a deletion whose mark was lost with the state', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.delete('/serviceinstances/f1');
    world.pass('f1');
    world.apply('f1', standard());
    world.delete('/service/f1/state');
    world.pass('f1');
    expect(world.condition('f1', 'Deleting')?.status).to.equal('True');
  });

  it('keeps an instance whose document was deleted and put back before anybody looked', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const old = world.state('f1');
    world.delete('/serviceinstances/f1');
    world.apply('f1', standard());
    simulation.settle(['f1']);
    expect(world.state('f1').nodes).to.deep.equal(old.nodes);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('keeps a protected instance running, and converging', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({}, { 'deletion-protection': true }));
    simulation.settle(['f1']);
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Deleting')).to.include({ status: 'False', reason: 'Protected' });
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    world.apply('f1', standard());
    simulation.settle(['f1']);
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.deep.equal([]);
  });

  it('keeps an instance that was paused when its document went', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.apply('f1', standard({}, { paused: true }));
    simulation.settle(['f1']);
    world.delete('/serviceinstances/f1');
    simulation.settle(['f1']);
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.condition('f1', 'Deleting')).to.include({ status: 'False', reason: 'Paused' });
  });
});
