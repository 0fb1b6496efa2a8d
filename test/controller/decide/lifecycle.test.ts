import { expect } from 'chai';
import type { InstanceId } from '../../../src/schema/ids.ts';
import { failoverKey, leaderKey } from '../../../src/schema/patroni.ts';
import { herdOfFive, herdWithF1, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const f1 = 'f1' as InstanceId;

/** The nodes of f1 whose assignment says this. */
const nodes = ({ world }: Simulation, desired = 'running'): string[] =>
  world
    .keys('/cells/assignments/')
    .filter((key) => world.json<{ desired: string }>(key)?.desired === desired)
    .map((key) => key.split('/').at(-1) as string);
const leader = ({ world }: Simulation): string => world.text(leaderKey(f1)) as string;
const reportOf = ({ world }: Simulation, node: string): string =>
  world.keys('/cells/observed/').find((key) => key.endsWith(`/${node}`)) as string;

describe('decide(), scaling up', () => {
  it('places what there is room for and says what is missing, without an error loop', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 3, cells: ['n1', 'n3'] }));
    const decision = world.pass('f1');
    expect(nodes(simulation)).to.have.length(2);
    expect(decision.waitsForRoom).to.equal(true);
    expect(world.condition('f1', 'Placed')?.message).to.equal(
      '2 of 3 nodes placed: no cell among n1,n3 has room: of 5, 2 are already holding a node of this instance, 3 are outside the pool; add a cell or widen the pool',
    );
    expect(world.pass('f1').ops).to.deep.equal([]);
  });

  it('counts nodes that are being erased as load', () => {
    const { world } = herdOfFive();
    world.cell('n1', 'z1', { capacity: { nodes: 1, memory_mb: 8192 } });
    world.apply('f0', { plan: 'small', parameters: { cells: ['n1'] } });
    world.pass('f0');
    world.put(reportKey(world.keys('/cells/assignments/')[0] as string), 'x');
    world.delete('/serviceinstances/f0');
    world.pass('f0');
    world.apply('f1', { plan: 'small', parameters: { cells: ['n1'] } });
    world.pass('f1');
    expect(world.condition('f1', 'Placed')?.reason).to.equal('NoRoom');
  });

  it('never overwrites credentials that somebody wrote at the same moment', () => {
    const { world } = herdOfFive();
    world.apply('f1', standard());
    const decision = world.decide('f1');
    world.put('/serviceinstances/f1/credentials', 'theirs');
    expect(world.commit(decision)).to.equal(false);
    expect(world.text('/serviceinstances/f1/credentials')).to.equal('theirs');
  });

  it('lets the replacement of a node outside the pool wait for its agent, and places no other', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    const stays = world.state('f1').nodes[0]?.backend_id as string;
    const free = ['n1', 'n2', 'n3', 'n4', 'n5'].filter((cell) =>
      world.state('f1').nodes.every((node) => node.backend_id !== cell),
    );
    world.apply('f1', standard({ 'node-count': 2, cells: [stays, ...free] }));
    world.pass('f1');
    const before = nodes(simulation);
    expect(before).to.have.length(3);
    expect(world.pass('f1').ops).to.deep.equal([]);
    expect(nodes(simulation)).to.deep.equal(before);
    world.apply('f1', standard({ 'node-count': 1, cells: [stays, ...free] }));
    world.pass('f1');
    expect(nodes(simulation), 'it is not wanted any more').to.have.length(1);
  });

  it('does not place twice when two passes start from the same view', () => {
    const simulation = herdOfFive();
    simulation.world.apply('f1', standard());
    const [one, two] = [simulation.world.decide('f1'), simulation.world.decide('f1')];
    expect([simulation.world.commit(one), simulation.world.commit(two)]).to.deep.equal([true, false]);
    expect(nodes(simulation)).to.have.length(3);
  });
});

const reportKey = (assignment: string): string => assignment.replace('assignments', 'observed');

describe('decide(), scaling down', () => {
  it('takes back at once what no agent began to start', () => {
    const simulation = herdOfFive();
    simulation.world.apply('f1', standard({ 'node-count': 4 }));
    simulation.world.pass('f1');
    simulation.world.apply('f1', standard({ 'node-count': 1 }));
    simulation.world.pass('f1');
    expect(nodes(simulation)).to.have.length(1);
    expect(simulation.world.keys('/serviceinstances/f1/nodes/')).to.have.length(1);
  });

  it('loses against an agent that begins to start the node at the same moment', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 2 }));
    world.pass('f1');
    world.apply('f1', standard({ 'node-count': 1 }));
    const decision = world.decide('f1');
    for (const cell of simulation.cells()) simulation.stepCell(cell);
    expect(world.commit(decision)).to.equal(false);
    expect(nodes(simulation)).to.have.length(2);
  });

  it('removes one node at a time, never the leader', () => {
    const simulation = herdWithF1({ 'node-count': 4 });
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 2 }));
    world.pass('f1');
    world.pass('f1');
    expect(nodes(simulation, 'removed')).to.have.length(1).and.not.include(leader(simulation));
    expect(world.condition('f1', 'Placed')?.reason).to.equal('Removing');
  });

  it('chooses from the fullest zone, so that the rest stays spread', () => {
    const simulation = herdWithF1({ 'node-count': 4 });
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 3 }));
    simulation.settle(['f1']);
    const zones = world
      .state('f1')
      .nodes.map(({ backend_id }) => (backend_id === 'n5' ? 'z3' : backend_id < 'n3' ? 'z1' : 'z2'));
    expect(new Set(zones).size).to.equal(3);
  });

  it('chooses a node whose cell is gone before one that is well', () => {
    const simulation = herdWithF1({ 'node-count': 3 });
    const { world } = simulation;
    const { node_id, backend_id } = world.state('f1').nodes.find((node) => node.node_id !== leader(simulation)) as {
      node_id: string;
      backend_id: string;
    };
    world.delete(`/cells/registered/${backend_id}`);
    world.apply('f1', standard({ 'node-count': 2 }));
    world.pass('f1');
    expect(nodes(simulation, 'removed')).to.deep.equal([node_id]);
    expect(world.condition('f1', 'Placed')?.status).to.equal('True');
    expect(world.condition('f1', 'Degraded')?.message).to.equal(
      `node ${node_id} is to be removed and may still run: start the agent of cell ${backend_id}, or \`pgherd forget cell ${backend_id}\``,
    );
  });

  it('waits while the others do not stream', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const key = reportOf(simulation, leader(simulation));
    world.put(key, { ...world.json<object>(key), streaming: [] });
    world.apply('f1', standard({ 'node-count': 2 }));
    world.pass('f1');
    expect(nodes(simulation, 'removed')).to.deep.equal([]);
    expect(world.condition('f1', 'Placed')?.message).to.match(/^node \S+ is to be removed once \S+ run and stream$/);
  });

  it('waits while nobody can tell who streams: no leader, or its agent is gone', () => {
    for (const lose of ['leader', 'agent']) {
      const simulation = herdWithF1();
      const { world } = simulation;
      const cell = reportOf(simulation, leader(simulation)).split('/')[3];
      world.delete(lose === 'leader' ? leaderKey(f1) : `/cells/registered/${cell}`);
      world.apply('f1', standard({ 'node-count': 2 }));
      world.pass('f1');
      expect(nodes(simulation, 'removed'), lose).to.deep.equal([]);
    }
  });

  for (const what of ['leader', 'streaming list'] as const) {
    it(`loses against a ${what} that changes at the same moment`, () => {
      const simulation = herdWithF1();
      const { world } = simulation;
      world.apply('f1', standard({ 'node-count': 2 }));
      const decision = world.decide('f1');
      const key = reportOf(simulation, leader(simulation));
      if (what === 'leader')
        world.put(
          leaderKey(f1),
          nodes(simulation).find((node) => node !== leader(simulation)),
        );
      else world.put(key, { ...world.json<object>(key), streaming: [] });
      expect(world.commit(decision)).to.equal(false);
      expect(nodes(simulation, 'removed')).to.deep.equal([]);
    });
  }

  it('forgets a node only when its cell says nothing of it any more', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 1 }));
    world.pass('f1');
    const [removed] = nodes(simulation, 'removed');
    expect(world.pass('f1').ops).to.deep.equal([]);
    world.delete(reportOf(simulation, removed as string));
    world.pass('f1');
    expect(world.keys().filter((key) => key.includes(`/${removed}`))).to.deep.equal([`/service/f1/members/${removed}`]);
  });
});

describe('decide(), moving the leader', () => {
  const move = (more: object = {}) => {
    const simulation = herdWithF1({ 'node-count': 2, ...more });
    const { world } = simulation;
    const stays = world.state('f1').nodes.find(({ node_id }) => node_id !== leader(simulation))?.backend_id as string;
    const pool = ['n1', 'n2', 'n3', 'n4', 'n5'].filter(
      (cell) => cell === stays || !reportOf(simulation, leader(simulation)).includes(`/${cell}/`),
    );
    world.apply('f1', standard({ 'node-count': 2, cells: pool, ...more }));
    world.pass('f1');
    for (let round = 0; round < 4; round++) for (const cell of simulation.cells()) simulation.stepCell(cell);
    simulation.stepPatroni(f1);
    for (const cell of simulation.cells()) simulation.stepCell(cell);
    return simulation;
  };

  it('asks Patroni for a switchover to a node that streams, once', () => {
    const simulation = move();
    const { world } = simulation;
    expect(nodes(simulation)).to.have.length(3);
    const decision = world.pass('f1');
    const request = world.json<{ leader: string; member: string }>(failoverKey(f1));
    expect(request?.leader).to.equal(leader(simulation));
    expect(nodes(simulation)).to.include(request?.member);
    expect(decision.requeueAfterMs).to.equal(10_000);
    expect(world.pass('f1').ops).to.deep.equal([]);
    expect(nodes(simulation, 'removed')).to.deep.equal([]);
  });

  it('leaves the choice to Patroni in synchronous mode, where one standby only may take over', () => {
    const simulation = move({ synchronous: true });
    simulation.world.pass('f1');
    expect(simulation.world.json(failoverKey(f1))).to.deep.equal({ leader: leader(simulation) });
  });

  it('waits for a switchover that somebody else asked for', () => {
    const simulation = move();
    const { world } = simulation;
    world.put(failoverKey(f1), { leader: leader(simulation), scheduled_at: '2030-01-01T00:00:00Z' });
    expect(world.pass('f1').ops.map((op) => ('key' in op ? op.key : ''))).to.not.include(failoverKey(f1));
  });

  it('keeps a misplaced node that cannot be replaced', () => {
    const simulation = herdWithF1({ 'node-count': 2 });
    const { world } = simulation;
    const cells = world.state('f1').nodes.map(({ backend_id }) => backend_id);
    world.apply('f1', standard({ 'node-count': 2, cells: [cells[0]] }));
    simulation.settle(['f1']);
    expect(nodes(simulation)).to.have.length(2);
    expect(world.condition('f1', 'Placed')?.message).to.match(
      /outside the pool cannot be replaced: no cell among n\d has room/,
    );
  });
});

describe('decide(), rolling out', () => {
  it('restarts nothing while the instance is without a leader, but the nodes that do not run', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const hashes = () =>
      new Set(world.keys('/cells/assignments/').map((key) => world.json<{ spec_hash: string }>(key)?.spec_hash));
    const before = hashes();
    world.delete(leaderKey(f1));
    world.apply('f1', standard({ postgresql: { max_connections: 300 } }));
    world.pass('f1');
    expect(hashes()).to.deep.equal(before);
    expect(world.condition('f1', 'Ready')?.status).to.equal('False');
  });

  it('hands on what needs no restart at once, and restarts nothing for it', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const running = new Map(simulation.running);
    world.apply('f1', standard({ postgresql: { work_mem: '8MB' } }));
    simulation.settle(['f1']);
    expect(simulation.running).to.deep.equal(running);
    expect(world.text('/service/f1/config')).to.include('"work_mem":"8MB"');
  });

  it('restarts a single node in place', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    simulation.world.apply('f1', standard({ 'node-count': 1, postgresql: { max_connections: 300 } }));
    simulation.settle(['f1']);
    expect(simulation.world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});
