import { expect } from 'chai';
import type { NodeSight, Runtime } from '../../src/cell/runtime/runtime.ts';
import { testAssignment, testOrder } from '../fixtures/patroni.ts';
import { until } from '../fixtures/until.ts';

/** What the contract needs from an implementation. */
export interface RuntimeUnderTest {
  /** The runtime of a new agent on the same cell; earlier ones are aborted before. */
  open(): Runtime;
  /** Ends everything that runs of the node, as a crash would. */
  crash(runtime: Runtime, node: string): Promise<void>;
  /** How often data of this node was put aside. */
  putAside(node: string): Promise<number>;
}

/** What every `Runtime` keeps, whatever nodes are made of. */
export function runtimeContract(tested: () => RuntimeUnderTest): void {
  const assignment = testAssignment('contract', 'contract-a');
  const { node } = assignment;
  const order = testOrder(assignment);
  let runtime: Runtime;
  let abort: AbortController;
  let running: Promise<void>;
  let changes: string[];

  const open = async () => {
    abort = new AbortController();
    changes = [];
    runtime = tested().open();
    runtime.onChange((each) => changes.push(each));
    await runtime.adopt();
    running = runtime.run(abort.signal);
  };
  const leave = async () => {
    abort.abort();
    await running;
  };
  const see = () => runtime.see(node);
  const whenSeen = <S extends NodeSight['state']>(state: S): Promise<Extract<NodeSight, { state: S }>> =>
    until(`node is ${state}`, () => {
      const sight = see();
      return sight.state === state ? (sight as Extract<NodeSight, { state: S }>) : undefined;
    });
  const whenPrimary = () =>
    until('Patroni leads', () => {
      const sight = see();
      return sight.state === 'running' && sight.patroni?.state === 'running' && sight.patroni.streaming
        ? sight
        : undefined;
    });

  before(open);
  after(leave);

  it('see() calls a node absent that was never started', () => {
    expect(see()).to.deep.equal({ state: 'absent' });
    expect([...runtime.nodes()]).to.deep.equal([]);
  });

  it('start() runs a node, and tells when Patroni leads and where it is reached', async () => {
    await runtime.start(order);
    expect(see()).to.include({ state: 'running', instance: 'contract', specHash: 'h1' });
    const sight = await whenPrimary();
    expect(sight.patroni?.streaming).to.deep.equal([]);
    expect(sight.ports.postgresql).to.match(/^[\w.-]+:\d+$/);
    expect(sight.ports.patroni).to.match(/^[\w.-]+:\d+$/);
    expect([...runtime.nodes()]).to.deep.equal([node]);
    expect(changes).to.include(node);
  });

  it('readiness() says that the node can be started as it was, and why not when it is to have other software', async () => {
    expect(await runtime.readiness(assignment)).to.deep.equal({ state: 'ready' });
    if (runtime.name === 'simulated') return;
    const { patroni } = await whenPrimary();
    expect(patroni?.postgresqlVersion).to.equal('15');
    expect(runtime.postgresqlVersions).to.include('15');
    expect(await runtime.readiness({ ...assignment, postgresql_version: '15' })).to.deep.equal({ state: 'ready' });
  });

  it('adopt() takes over a node that an earlier agent left running', async () => {
    const before = await whenPrimary();
    await runtime.complete(node);
    await leave();
    await open();
    const sight = await whenPrimary();
    expect(sight.ports).to.deep.equal(before.ports);
    expect(sight).to.include({ specHash: 'h1', complete: true });
  });

  it('see() calls a node ended when its adopted processes crash, and prove() finds nothing left', async () => {
    await tested().crash(runtime, node);
    const sight = await whenSeen('ended');
    expect(sight.unexpected).to.be.a('string');
    expect(changes).to.include(node);
    await runtime.prove(node);
  });

  it('adopt() still calls it ended when the agent restarts before the end was settled', async () => {
    await leave();
    await open();
    expect((await whenSeen('ended')).unexpected).to.be.a('string');
    await runtime.prove(node);
  });

  it('settle() makes an ended node a stopped one, which start() runs again in the same place', async () => {
    await runtime.settle(node);
    expect(see()).to.deep.equal({ state: 'stopped', instance: 'contract', specHash: 'h1' });
    await runtime.start(testOrder({ ...assignment, spec_hash: 'h2' }));
    const sight = await whenPrimary();
    expect(sight.specHash).to.equal('h2');
  });

  it('see() calls a node ended when processes crash that this agent started', async () => {
    await tested().crash(runtime, node);
    expect((await whenSeen('ended')).unexpected).to.be.a('string');
    await runtime.prove(node);
    await runtime.settle(node);
    await runtime.start(order);
    await whenPrimary();
  });

  it('stop() ends a node as asked', async () => {
    await runtime.stop(node);
    expect(see()).to.include({ state: 'ended', instance: 'contract', specHash: 'h1', unexpected: undefined });
    await runtime.prove(node);
    await runtime.settle(node);
    expect(see().state).to.equal('stopped');
  });

  it('discard() puts the data of a stopped node aside', async () => {
    await runtime.discard(node);
    expect(see().state).to.equal('absent');
    expect(await tested().putAside(node)).to.equal(1);
  });

  it('erase() leaves nothing of a stopped node', async () => {
    await runtime.start(order);
    await runtime.stop(node);
    await runtime.settle(node);
    await runtime.erase(node);
    expect(see().state).to.equal('absent');
    expect([...runtime.nodes()]).to.deep.equal([]);
    expect(await tested().putAside(node)).to.equal(1);
    await leave();
    await open();
    expect(see().state).to.equal('absent');
  });
}
