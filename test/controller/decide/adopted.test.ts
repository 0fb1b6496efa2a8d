import { expect } from 'chai';
import { herdOfFive, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const document = { plan: 'standard', adopted: true, parameters: { 'node-count': 2 } };
const member = (role: string) => ({
  role,
  state: 'running',
  conn_url: 'postgres://10.0.0.1:1/x',
  api_url: 'http://a:2',
});
const theirs = { '/service/legacy/initialize': '77', '/service/legacy/config': { ttl: 20 } };

/** A Patroni cluster that others made, and its document. */
function herd(): Simulation {
  const simulation = herdOfFive();
  const { world } = simulation;
  for (const [key, value] of Object.entries(theirs)) world.put(key, value);
  world.put('/service/legacy/members/pg-a', member('replica'));
  world.put('/service/legacy/members/pg-b', member('master'));
  world.put('/service/legacy/leader', 'pg-b');
  world.apply('legacy', document);
  simulation.stepRouter();
  world.pass('legacy');
  simulation.stepRouter();
  world.pass('legacy');
  return simulation;
}

describe('decide(), an adopted cluster', () => {
  it('gives it a port and a state and touches nothing else', () => {
    const { world } = herd();
    expect(world.condition('legacy', 'Ready')?.status).to.equal('True');
    expect(world.state('legacy').endpoint).to.equal('127.0.0.9:30000');
    expect(world.keys('/cells/assignments/')).to.deep.equal([]);
    expect(world.keys('/serviceinstances/')).to.deep.equal(['/serviceinstances/legacy']);
    for (const [key, value] of Object.entries(theirs)) {
      expect(world.text(key)).to.equal(typeof value === 'string' ? value : JSON.stringify(value));
    }
    expect(world.pass('legacy').ops).to.deep.equal([]);
  });

  it('says when nobody leads', () => {
    const { world } = herd();
    world.delete('/service/legacy/leader');
    world.pass('legacy');
    expect(world.condition('legacy', 'Ready')).to.include({ status: 'False', reason: 'NoLeader' });
  });

  it('forgets it when it is deleted and its grace is over, and leaves its members and their keys alone', () => {
    const { world } = herd();
    const before = world.keys('/service/legacy/').filter((key) => !key.endsWith('/state'));
    world.apply('legacy', { ...document, parameters: { 'node-count': 2, 'deletion-grace': '1h' } });
    world.pass('legacy');
    world.delete('/serviceinstances/legacy');
    world.pass('legacy');
    expect(world.condition('legacy', 'Deleting')?.message).to.match(/^its members run on; /);
    expect(world.text('/routing/allocation/legacy')).to.equal('30000');
    world.nowMs += 3_600_000;
    world.pass('legacy');
    expect(world.keys('/service/legacy/')).to.deep.equal(before);
    expect(world.keys().filter((key) => /legacy/.test(key) && !key.startsWith('/service/legacy/'))).to.deep.equal([]);
  });

  it('changes nothing when adopted is set on an instance whose nodes pgherd made', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard());
    simulation.settle(['f1']);
    world.apply('f1', { ...standard(), adopted: true });
    expect(world.decide('f1').ops.map((op) => 'key' in op && op.key)).to.deep.equal(['/service/f1/state']);
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('NotAdopted');
  });
});
