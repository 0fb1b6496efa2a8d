import { expect } from 'chai';
import { decide } from '../../../src/controller/decide/decide.ts';
import type { Decision } from '../../../src/controller/decide/decision.ts';
import { herdOfFive, herdWithF1 } from '../support/herd-of-five.ts';
import { Simulation } from '../support/simulation.ts';
import { World } from '../support/world.ts';

const routed = (world: World, id: string) => world.condition(id, 'Routed');

function create(world: World, ...ids: string[]): void {
  for (const id of ids) {
    world.apply(id, 'plan: small');
    world.pass(id);
  }
}

describe('decide(), the public port', () => {
  it('hands out ports in order and moves the next port on', () => {
    const { world } = herdOfFive();
    create(world, 'a', 'b', 'c');
    expect(['a', 'b', 'c'].map((id) => world.text(`/routing/allocation/${id}`))).to.deep.equal([
      '30000',
      '30001',
      '30002',
    ]);
    expect(world.text('/routing/nextport')).to.equal('30003');
  });

  it('gives a port to one of two that take it at the same time', () => {
    const { world } = herdOfFive();
    for (const id of ['a', 'b']) world.apply(id, 'plan: small');
    const decisions = ['a', 'b'].map((id) => world.decide(id));
    expect(decisions.map((decision) => world.commit(decision))).to.deep.equal([true, false]);
    world.pass('b');
    expect(world.text('/routing/allocation/b')).to.equal('30001');
  });

  for (const order of [[0, 1] as const, [1, 0] as const]) {
    it(`hands out two ports in the order ${order.map((at) => 'ab'[at]).join(', ')} without one redoing the other`, () => {
      const { world } = herdOfFive();
      for (const id of ['a', 'b']) world.apply(id, 'plan: small');
      const decisions = ['a', 'b'].map((id, at) => {
        const view = world.view(id);
        // As the herd shows it while the commit of the other is under way.
        const herd = { ...view.herd, portHint: 30000 + at };
        return decide({ ...view, herd }, new Date(world.nowMs), (max) => world.random(max));
      });
      for (const at of order) expect(world.commit(decisions[at] as Decision)).to.equal(true);
      expect(['a', 'b'].map((id) => world.text(`/routing/allocation/${id}`))).to.deep.equal(['30000', '30001']);
      expect(world.text('/routing/nextport')).to.equal('30002');
    });
  }

  it('leaves the next port to people when somebody made it unreadable meanwhile', () => {
    const { world } = herdOfFive();
    world.apply('a', 'plan: small');
    const decision = world.decide('a');
    world.put('/routing/nextport', 'x');
    expect(world.commit(decision)).to.equal(true);
    expect(world.text('/routing/nextport')).to.equal('x');
  });

  it('wraps around at the end of the range, past the ports that are taken', () => {
    const { world } = herdOfFive();
    world.put('/routing/nextport', '30008');
    create(world, 'a', 'b', 'c');
    expect(['a', 'b', 'c'].map((id) => world.text(`/routing/allocation/${id}`))).to.deep.equal([
      '30008',
      '30009',
      '30000',
    ]);
    world.put('/routing/nextport', '30008');
    create(world, 'd');
    expect(world.text('/routing/allocation/d')).to.equal('30001');
  });

  it('never hands out a port that an allocation has although its own key is missing', () => {
    const { world } = herdOfFive();
    world.put('/routing/allocation/legacy', '30000');
    create(world, 'a');
    expect(world.text('/routing/allocation/a')).to.equal('30001');
  });

  it('never hands out a port that somebody holds although the allocation is missing', () => {
    const { world } = herdOfFive();
    world.put('/routing/ports/30000', 'lost');
    create(world, 'a');
    expect(world.text('/routing/allocation/a')).to.equal('30001');
    expect(world.text('/routing/ports/30000')).to.equal('lost');
  });

  it('says that the ports are used up, and goes on when one is given back', () => {
    const world = new World({ settings: { portRange: { first: 30000, last: 30001 } } });
    world.cell('n1', 'z1');
    const simulation = new Simulation(world);
    create(world, 'a', 'b');
    world.apply('c', 'plan: small');
    const decision = world.pass('c');
    expect(decision.waitsForRoom).to.equal(true);
    expect(routed(world, 'c')).to.include({ reason: 'PortsExhausted' });
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    world.delete('/serviceinstances/a');
    simulation.settle(['a', 'b', 'c']);
    expect(world.condition('c', 'Ready')?.status).to.equal('True');
    expect(world.text('/routing/allocation/c')).to.equal('30000');
  });

  for (const value of ['x', '', '0', '-1', '99999']) {
    it(`hands out nothing while the next port is ${JSON.stringify(value)}, and leaves it to people`, () => {
      const { world } = herdOfFive();
      world.put('/routing/nextport', value);
      create(world, 'a');
      expect(world.text('/routing/nextport')).to.equal(value);
      expect(world.text('/routing/allocation/a')).to.equal(undefined);
      expect(routed(world, 'a')?.reason).to.equal('NextPortUnreadable');
    });
  }

  it('uses a port that two instances claim for the one that holds it, and says so at the other', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    create(world, 'a', 'b');
    simulation.settle(['a', 'b']);
    world.put('/routing/allocation/b', '30000');
    simulation.settle(['a', 'b']);
    expect(world.condition('a', 'Ready')?.status).to.equal('True');
    expect(routed(world, 'b')).to.include({ status: 'False', reason: 'PortConflict' });
    expect(world.condition('b', 'Degraded')?.message).to.equal(
      'public port 30000 is also that of a, so it is not used; delete the allocation that is wrong',
    );
    expect(world.text('/routing/allocation/b')).to.equal('30000');
    world.delete('/serviceinstances/b');
    simulation.settle(['a', 'b']);
    expect(world.text('/routing/ports/30000')).to.equal('a');
    expect(world.condition('a', 'Ready')?.status).to.equal('True');
  });

  it('uses a port that two instances claim for neither when nobody holds it', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    create(world, 'a', 'b');
    world.put('/routing/allocation/b', '30000');
    world.delete('/routing/ports/30000');
    world.delete('/routing/ports/30001');
    simulation.settle(['a', 'b']);
    for (const id of ['a', 'b']) expect(routed(world, id)?.reason).to.equal('PortConflict');
  });

  for (const lost of [['allocation/f1'], ['ports/30000'], ['allocation/f1', 'ports/30000']]) {
    it(`restores ${lost.join(' and ')}: the port is the instance's for life`, () => {
      const simulation = herdWithF1();
      const { world } = simulation;
      for (const key of lost) world.delete(`/routing/${key}`);
      simulation.settle(['f1']);
      expect(world.text('/routing/allocation/f1')).to.equal('30000');
      expect(world.text('/routing/ports/30000')).to.equal('f1');
      expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    });
  }

  it('does not take back a lost port that somebody else got meanwhile', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    for (const key of ['allocation/f1', 'ports/30000']) world.delete(`/routing/${key}`);
    world.put('/routing/nextport', '30000');
    create(world, 'b');
    world.pass('f1');
    expect(world.text('/routing/allocation/b')).to.equal('30000');
    expect(routed(world, 'f1')?.reason).to.equal('PortConflict');
  });
});

describe('decide(), the route', () => {
  const router = (more: object = {}) => ({
    router: 'r1',
    address: '10.0.0.9',
    applied_revision: '0',
    refused_ports: [],
    ports: '30000-30009',
    version: '0',
    ...more,
  });

  it('is not Ready before a router has applied the present leader', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    simulation.kill(world.text('/service/f1/leader') as never);
    simulation.stepPatroni('f1' as never);
    for (let round = 0; round < 3; round++) for (const cell of simulation.cells()) simulation.stepCell(cell);
    const decision = world.pass('f1');
    expect(world.condition('f1', 'Ready')).to.include({ status: 'False', reason: 'RoutePending' });
    expect(decision.waitsForRoute).to.equal(world.keyspace.get('/service/f1/leader')?.modRevision);
    simulation.stepRouter();
    world.pass('f1');
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  const cases: [what: string, key: object | string | undefined, reason: string][] = [
    ['there is no router', undefined, 'NoRouter'],
    ['the router cannot be read', 'x', 'NoRouter'],
    ['another program holds the port', router({ applied_revision: '999999', refused_ports: [30000] }), 'PortRefused'],
    ['the port is outside the block', router({ applied_revision: '999999', ports: '31000-31009' }), 'OutsideBlock'],
    ['the router is behind', router(), 'RoutePending'],
  ];
  for (const [what, value, reason] of cases) {
    it(`says ${reason} when ${what}`, () => {
      const { world } = herdWithF1();
      if (value === undefined) world.delete('/routing/routers/r1');
      else world.put('/routing/routers/r1', value);
      world.pass('f1');
      expect(routed(world, 'f1')).to.include({ status: 'False', reason });
      expect(world.condition('f1', 'Ready')?.status).to.equal('False');
    });
  }

  it('is enough when one of two routers confirms', () => {
    const { world } = herdWithF1();
    world.put('/routing/routers/r0', router({ router: 'r0' }));
    world.pass('f1');
    expect(routed(world, 'f1')?.message).to.equal('router r1 serves port 30000');
  });
});
