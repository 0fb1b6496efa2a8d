import { expect } from 'chai';
import { versionProblem } from '../../../src/controller/decide/major-version.ts';
import { herdOfFive, herdWithF1, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

const orders = ({ world }: Simulation) =>
  world.keys('/cells/assignments/').map((key) => world.json<Record<string, unknown>>(key) ?? {});

describe('decide(), image and version', () => {
  it('leaves assignments as they always were when nobody names either', () => {
    for (const order of orders(herdWithF1()))
      expect(order).to.not.have.any.keys('container_image', 'postgresql_version');
  });

  it('keeps the first segment of registrar keys, whatever image nodes are containers of', () => {
    const simulation = herdWithF1({ image: 'registry.example.com/patroni:15' });
    const { world } = simulation;
    expect(orders(simulation).map(({ container_image }) => container_image)).to.deep.equal(
      Array(3).fill('registry.example.com/patroni:15'),
    );
    const bindings = world.keys('/').filter((key) => key.includes(':cf-f1-'));
    expect(bindings).to.have.length(6);
    for (const key of bindings) expect(key).to.match(/^\/postgresql-patroni\/n\d\.test:cf-f1-\w{6}:(5432|8008)$/);
  });

  it('rolls another image out: one node at a time, the leader last', () => {
    const simulation = herdWithF1({ image: 'patroni:15.8' });
    const { world } = simulation;
    const leader = world.text('/service/f1/leader');
    world.apply('f1', standard({ image: 'patroni:15.9' }));
    world.pass('f1');
    const changed = orders(simulation).filter(({ container_image }) => container_image === 'patroni:15.9');
    expect(changed).to.have.length(1);
    expect(changed[0]?.['node']).to.not.equal(leader);
    simulation.settle(['f1']);
    expect(new Set(orders(simulation).map(({ container_image }) => container_image))).to.deep.equal(
      new Set(['patroni:15.9']),
    );
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
    expect(world.state('f1').leader).to.not.equal(leader);
  });

  it('restarts nothing when a document names the version that the data are of', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const hashes = orders(simulation).map(({ spec_hash }) => spec_hash);
    world.apply('f1', standard({ version: 15 }));
    simulation.settle(['f1']);
    expect(orders(simulation).map(({ spec_hash }) => spec_hash)).to.deep.equal(hashes);
    expect(orders(simulation).map(({ postgresql_version }) => postgresql_version)).to.deep.equal(['15', '15', '15']);
    expect(world.state('f1')).to.not.have.property('rollout');
  });

  it('refuses another major version once there are data, and says how to move them', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const before = orders(simulation);
    world.apply('f1', standard({ version: 16, 'node-count': 5 }));
    simulation.settle(['f1']);
    expect(orders(simulation)).to.deep.equal(before);
    expect(world.state('f1').postgresql_version).to.equal('15');
    expect(world.condition('f1', 'Accepted')).to.include({ status: 'False', reason: 'Refused' });
    expect(world.condition('f1', 'Accepted')?.message).to.match(
      /^parameters.version is 16, but the data of this instance are of PostgreSQL 15: .*pg_dump.*stays in force$/,
    );
    world.apply('f1', standard());
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('refuses a plan of another major version as well', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const { catalog } = world.settings;
    const plans = catalog.plans.map((plan) => (plan.name === 'large' ? { ...plan, version: '16' } : plan));
    Object.assign(world.settings, { catalog: { ...catalog, plans } });
    world.apply('f1', { plan: 'large' });
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Accepted')?.reason).to.equal('Refused');
  });

  it('goes back to what the data are of when they were begun before the document that is in force', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    world.apply('f1', standard());
    world.pass('f1');
    for (let round = 0; round < 2; round++) for (const cell of simulation.cells()) simulation.stepCell(cell);
    const running = world.keys('/cells/observed/').map((key) => [key, world.text(key)] as const);
    for (const [key] of running) world.put(key, { ...world.json<object>(key), postgresql_version: undefined });
    world.apply('f1', standard({ version: 16 }));
    world.pass('f1');
    expect(world.condition('f1', 'Accepted')?.status).to.equal('True');
    for (const [key, text] of running) world.put(key, text);
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Accepted')?.message).to.include('are of PostgreSQL 15');
    expect(orders(simulation).map(({ postgresql_version }) => postgresql_version)).to.deep.equal(['15', '15', '15']);
  });

  it('places nodes only on cells that have the version, and says so when there are too few', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    for (const cell of ['n2', 'n4']) world.cell(cell, 'z9', { postgresql_versions: ['17'] });
    world.apply('f1', standard({ version: 17 }));
    simulation.settle(['f1']);
    expect(
      world
        .state('f1')
        .nodes.map(({ backend_id }) => backend_id)
        .sort(),
    ).to.deep.equal(['n2', 'n4']);
    expect(world.condition('f1', 'Placed')?.message).to.include('3 are without PostgreSQL 17');
    expect(world.state('f1').postgresql_version).to.equal('17');
  });

  it('replaces nodes on cells that run no containers when a document names an image', () => {
    const simulation = herdOfFive();
    const { world } = simulation;
    for (const [cell, zone] of [
      ['n1', 'z1'],
      ['n3', 'z2'],
    ] as const)
      world.cell(cell, zone, { images: false });
    world.apply('f1', standard());
    simulation.settle(['f1']);
    expect(
      world
        .state('f1')
        .nodes.map(({ backend_id }) => backend_id)
        .sort(),
    ).to.deep.equal(['n1', 'n3', 'n5']);
    world.apply('f1', standard({ image: 'patroni:15' }));
    world.pass('f1');
    expect(world.condition('f1', 'Placed')?.message).to.match(/on cell n\d, which cannot run patroni:15/);
    simulation.settle(['f1']);
    expect(
      world
        .state('f1')
        .nodes.map(({ backend_id }) => backend_id)
        .sort(),
    ).to.deep.equal(['n2', 'n4', 'n5']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });

  it('stops a rollout at a node that its agent did not even stop, because it could not be started again', () => {
    const simulation = herdWithF1({ image: 'patroni:15.8' });
    const { world } = simulation;
    world.apply('f1', standard({ image: 'patroni:nowhere' }));
    world.pass('f1');
    const { node } = world.state('f1').rollout as { node: string };
    const observed = world.keys('/cells/observed/').find((key) => key.endsWith(node)) as string;
    world.put(observed, { ...world.json<object>(observed), last_error: 'pulling image patroni:nowhere does not work' });
    for (let pass = 0; pass < 3; pass++) world.pass('f1');
    expect(world.condition('f1', 'Degraded')?.message).to.match(
      new RegExp(
        `^rollout stopped at ${node} on n\\d: pulling image patroni:nowhere does not work; .*pgherd rollback f1`,
      ),
    );
    expect(orders(simulation).filter(({ container_image }) => container_image === 'patroni:nowhere')).to.have.length(1);
    world.put(observed, { ...world.json<object>(observed), last_error: undefined });
    world.apply('f1', standard({ image: 'patroni:15.8' }));
    simulation.settle(['f1']);
    expect(world.condition('f1', 'Ready')?.status).to.equal('True');
  });
});

describe('versionProblem()', () => {
  const cases: [data: string | undefined, before: string | undefined, wanted: string | undefined, begins?: string][] = [
    [undefined, undefined, '16'],
    [undefined, '15', '16'],
    ['15', undefined, undefined],
    ['15', undefined, '15'],
    ['15', '15', '15'],
    ['15', '15', undefined, 'parameters.version is left out, but was 15'],
    ['15', undefined, '16', 'parameters.version is 16, but the data'],
    ['15', '15', '14', 'parameters.version is 14, but the data'],
  ];
  for (const [data, before, wanted, begins] of cases) {
    it(`${begins ? 'refuses' : 'accepts'} ${wanted ?? 'none'} after ${before ?? 'none'} for data of ${data ?? 'nobody knows'}`, () => {
      const named = (version: string | undefined) => (version === undefined ? {} : { version });
      const problem = versionProblem(data, named(before), named(wanted));
      if (begins === undefined) expect(problem).to.equal(undefined);
      else expect(problem?.startsWith(begins), problem).to.equal(true);
    });
  }
});
