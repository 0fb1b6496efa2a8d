import { expect } from 'chai';
import type { ObservedNode } from '../../../src/schema/observed-node.ts';
import { herdOfFive, herdWithF1, standard } from '../support/herd-of-five.ts';

describe('decide(), the state', () => {
  it('tells progress in the words that brokers know', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 2 }));
    const told: string[] = [];
    for (let round = 0; round < 12; round++) {
      world.pass('f1');
      const { state, description } = world.state('f1').last_operation;
      if (told.at(-1) !== `${state}: ${description}`) told.push(`${state}: ${description}`);
      if (round % 2 === 0) for (const cell of simulation.cells()) simulation.stepCell(cell);
      else if (round > 2) simulation.stepPatroni('f1' as never);
      if (round > 6) simulation.stepRouter();
    }
    expect(told).to.deep.equal([
      'in progress: members stopped, stopped',
      'in progress: members running, running',
      'in progress: master running; replicas running',
      'succeeded: master running; replicas running',
    ]);
  });

  it('keeps what once succeeded when a node dies later: that is what the conditions tell', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const before = world.state('f1').last_operation;
    const replica = world.state('f1').nodes.find(({ node_id }) => node_id !== world.text('/service/f1/leader'));
    simulation.kill(replica?.node_id as never);
    world.pass('f1');
    expect(world.state('f1').last_operation).to.deep.equal(before);
    expect(world.condition('f1', 'Running')?.message).to.equal(
      `2 of 3 nodes run: ${replica?.node_id} on ${replica?.backend_id} is starting`,
    );
  });

  it('has no Ready for a document that nobody has looked at yet', () => {
    const { world } = herdWithF1();
    world.apply('f1', standard({ 'node-count': 4 }));
    expect(world.state('f1').observed_generation).to.not.equal(
      String(world.keyspace.get('/serviceinstances/f1')?.modRevision),
    );
    world.pass('f1');
    expect(world.state('f1').observed_generation).to.equal(
      String(world.keyspace.get('/serviceinstances/f1')?.modRevision),
    );
    expect(world.condition('f1', 'Ready')?.status).to.equal('False');
    expect(world.state('f1').last_operation.state).to.equal('in progress');
  });

  it('keeps the time of a condition while its status stays', () => {
    const { world } = herdWithF1();
    const since = world.condition('f1', 'Accepted')?.since;
    world.apply('f1', standard({}, { organization_guid: 'o' }));
    world.pass('f1');
    expect(world.condition('f1', 'Accepted')?.since).to.equal(since);
    expect(world.state('f1').organization_guid).to.equal('o');
  });

  it("hands on the accounts for people, and not the nodes' own", () => {
    const { world } = herdWithF1();
    const credentials = world.json('/serviceinstances/f1/credentials') as Record<string, object>;
    const { admin_credentials, superuser_credentials, app_credentials } = credentials;
    expect(world.state('f1')).to.deep.include({ admin_credentials, superuser_credentials, app_credentials });
    expect(world.text('/service/f1/state')).to.not.include('replicator');
  });

  it('puts no password into an event or an assignment', () => {
    const { world } = herdOfFive();
    world.apply('f1', standard());
    const { events } = world.pass('f1');
    const { app_credentials } = world.state('f1');
    const spoken =
      JSON.stringify(events) +
      world
        .keys('/cells/assignments/')
        .map((key) => world.text(key))
        .join();
    expect(app_credentials?.password).to.have.length(16);
    expect(spoken).to.not.include(app_credentials?.password);
  });

  it('sees that another member goes on claiming to lead', () => {
    const { world } = herdWithF1();
    const replica = world
      .state('f1')
      .nodes.find(({ node_id }) => node_id !== world.text('/service/f1/leader'))?.node_id;
    world.put(`/service/f1/members/${replica}`, { role: 'master', state: 'running', conn_url: 'x', api_url: 'x' });
    world.pass('f1');
    expect(world.condition('f1', 'LeaderElected')).to.include({ status: 'False', reason: 'TwoLeaders' });
    expect(world.condition('f1', 'Ready')?.status).to.equal('False');
  });

  it('does not take a leader key that names nobody for a leader', () => {
    const { world } = herdWithF1();
    world.put('/service/f1/leader', 'stranger');
    world.pass('f1');
    expect(world.condition('f1', 'LeaderElected')?.reason).to.equal('UnknownLeader');
  });

  it('tells of parameters that wait for a restart although nothing may be changed', () => {
    const simulation = herdWithF1({ 'node-count': 1 });
    const { world } = simulation;
    world.apply('f1', standard({ 'node-count': 1 }, { paused: true }));
    const key = world.keys('/cells/observed/')[0] as string;
    world.put(key, { ...world.json<ObservedNode>(key), pending_restart: true });
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('PendingRestart');
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('says that a cell is gone, and stays Ready while Patroni itself keeps its keys alive', () => {
    const { world } = herdWithF1();
    const replica = world.state('f1').nodes.find(({ node_id }) => node_id !== world.text('/service/f1/leader'));
    world.delete(`/cells/registered/${replica?.backend_id}`);
    world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.message).to.equal(
      `node ${replica?.node_id} is not looked after: start the agent of cell ${replica?.backend_id}`,
    );
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});
