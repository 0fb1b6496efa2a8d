import { expect } from 'chai';
import { herdWithF1, standard } from '../support/herd-of-five.ts';
import type { Simulation } from '../support/simulation.ts';

/** What somebody did to a key of f1 at rest, and what its state says then. */
const faults: readonly [what: string, key: RegExp, value: string | undefined, reason: string][] = [
  ['the state is not JSON', /^\/service\/f1\/state$/, 'x', 'StateUnreadable'],
  ['the state lacks what it must have', /^\/service\/f1\/state$/, '{}', 'StateUnreadable'],
  ['the credentials are not JSON', /credentials$/, 'x', 'CredentialsUnreadable'],
  ['the credentials are gone', /credentials$/, undefined, 'CredentialsLost'],
  ['the allocation is not a number', /allocation\/f1$/, 'x', 'AllocationUnreadable'],
  ['the allocation is port 0', /allocation\/f1$/, '0', 'AllocationUnreadable'],
  ['a backend names another cell', /backend$/, 'n9', 'BackendMismatch'],
  ['a backend is empty', /backend$/, '', 'BackendMismatch'],
  ['an assignment is not JSON', /assignments\/.*f1/, '{', 'AssignmentUnreadable'],
  [
    'an assignment is for another node',
    /assignments\/.*f1/,
    '{"instance":"f1","node":"f1-aaaaaa"}',
    'AssignmentUnreadable',
  ],
  ['a report is not JSON', /observed\/.*f1/, '[]', 'ObservedUnreadable'],
  ['a member key is not JSON', /members\/f1/, 'NUL \0', 'MemberUnreadable'],
  ["Patroni's configuration is not JSON", /config$/, 'x', 'ConfigUnreadable'],
];

const nodeKeys = ({ world }: Simulation) =>
  world.keys().filter((key) => /^\/cells\/assignments|\/backend$|\/initialize$|\/members\//.test(key));

function inflict(simulation: Simulation, pattern: RegExp, value: string | undefined): void {
  const key = simulation.world.keys().find((each) => pattern.test(each));
  if (!key) throw new Error(`no key like ${pattern}`);
  if (value === undefined) simulation.world.delete(key);
  else simulation.world.put(key, value);
}

describe('decide(), failing closed', () => {
  for (const [what, pattern, value, reason] of faults) {
    it(`says ${reason} and removes nothing when ${what}, whatever the document asks for`, () => {
      for (const edit of ['none', 'scale down', 'delete']) {
        const simulation = herdWithF1();
        const { world } = simulation;
        world.apply('f2', 'plan: small');
        simulation.settle(['f1', 'f2']);
        inflict(simulation, pattern, value);
        const before = nodeKeys(simulation);
        if (edit === 'scale down') world.apply('f1', standard({ 'node-count': 1 }));
        if (edit === 'delete') world.delete('/serviceinstances/f1');
        world.pass('f1');
        expect(nodeKeys(simulation), edit).to.deep.equal(before);
        expect(world.condition('f1', 'Degraded')?.message, edit).to.be.a('string');
        if (edit !== 'delete') expect(world.condition('f1', 'Degraded')?.reason, edit).to.equal(reason);
        expect(world.condition('f1', 'Ready')?.status, edit).to.equal('False');
        expect(world.pass('f2').ops, 'another instance').to.deep.equal([]);
      }
    });
  }

  it('leaves a node alone that another cell reports too: it may run there', () => {
    for (const stranger of ['n0', 'n9']) {
      const simulation = herdWithF1();
      const { world } = simulation;
      const [report] = world.keys('/cells/observed/') as [string];
      world.put(report.replace(/n\d/, stranger), world.text(report));
      world.apply('f1', standard({ 'node-count': 1 }));
      const before = nodeKeys(simulation);
      world.pass('f1');
      expect(nodeKeys(simulation)).to.deep.equal(before);
      expect(world.condition('f1', 'Degraded')?.reason, stranger).to.equal('NodeElsewhere');
    }
  });

  it('leaves the nodes alone when documents, credentials and backends vanish at once', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    for (const key of world.keys('/serviceinstances/')) world.delete(key);
    const before = nodeKeys(simulation);
    world.pass('f1');
    world.pass('f1');
    expect(nodeKeys(simulation)).to.deep.equal(before);
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('KeysLost');
  });

  it('leaves the nodes alone when document and state vanish at once', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    for (const key of ['/serviceinstances/f1', '/service/f1/state']) world.delete(key);
    world.pass('f1');
    world.pass('f1');
    expect(world.keys('/cells/assignments/')).to.have.length(3);
    expect(world.condition('f1', 'Degraded')?.reason).to.equal('SpecLost');
  });

  it('writes a lost state anew, as it was', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    const { conditions: _, ...before } = world.state('f1');
    world.delete('/service/f1/state');
    world.pass('f1');
    const { conditions, ...after } = world.state('f1');
    expect(after).to.deep.equal(before);
    expect(conditions.every(({ status }) => status === 'True')).to.equal(true);
  });

  for (const [what, pattern] of [
    ['assignment', /assignments\/.*f1/],
    ['backend key', /backend$/],
  ] as const) {
    it(`writes a lost ${what} again: the other half says where the node is`, () => {
      const simulation = herdWithF1();
      const { world } = simulation;
      const before = nodeKeys(simulation);
      inflict(simulation, pattern, undefined);
      const { events } = world.pass('f1');
      expect(nodeKeys(simulation)).to.deep.equal(before);
      expect(events.map(({ reason }) => reason)).to.include('KeyRestored');
    });
  }

  it('never touches the keys of another Patroni cluster that has the same name', () => {
    const simulation = herdWithF1();
    const { world } = simulation;
    world.put('/service/f9/initialize', '123');
    world.put('/service/f9/leader', 'db1');
    const foreign = world.keys('/service/f9/');
    world.pass('f9');
    expect(world.keys('/service/f9/')).to.deep.equal(foreign);
    world.apply('f9', 'plan: small');
    world.pass('f9');
    expect(world.condition('f9', 'Degraded')?.reason).to.equal('ScopeInUse');
    world.delete('/serviceinstances/f9');
    world.pass('f9');
    expect(world.keys('/service/f9/')).to.deep.equal(foreign);
    expect(world.keys().filter((key) => key.includes('f9'))).to.deep.equal(foreign);
  });
});
