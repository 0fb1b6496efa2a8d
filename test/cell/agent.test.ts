import { expect } from 'chai';
import { CellAgent } from '../../src/cell/agent.ts';
import { CellMetrics } from '../../src/cell/cell-metrics.ts';
import { GroupCommit } from '../../src/cell/group-commit.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { EngineMetrics, Registry } from '../../src/engine/metrics.ts';
import { StoreGuard } from '../../src/engine/store-guard.ts';
import { type Assignment, assignmentKey } from '../../src/schema/assignment.ts';
import { credentialsKey } from '../../src/schema/credentials.ts';
import type { CellId, InstanceId, NodeId } from '../../src/schema/ids.ts';
import { type ObservedNode, observedKey } from '../../src/schema/observed-node.ts';
import { leaderKey } from '../../src/schema/patroni.ts';
import { MemoryStore } from '../../src/store/memory.ts';
import type { Op, Store, TxnRequest, TxnResult } from '../../src/store/store.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';
import { FakeRuntime } from '../fixtures/fake-runtime.ts';
import { testAssignment, testCredentials } from '../fixtures/patroni.ts';

const cell = 'cell-1' as CellId;
const observed = (node: string) => observedKey(cell, node as NodeId);
const assigned = (node: string) => assignmentKey(cell, node as NodeId);
const binding = (node: string, port: number) => `/postgresql-patroni/host-1:cf-${node}:${port}`;

/** Lets others write between an agent's decision and its transaction. */
class HookedStore extends MemoryStore {
  beforeTxn: (request: TxnRequest) => Promise<void> = async () => {};

  override async txn(request: TxnRequest): Promise<TxnResult> {
    await this.beforeTxn(request);
    return super.txn(request);
  }
}

/** An agent on a store in memory; `settle` lets everything happen that can without time passing. */
class Cell {
  readonly clock = new FakeClock();
  readonly store = new HookedStore({ clock: this.clock });
  readonly runtime = new FakeRuntime();
  readonly lines: string[] = [];
  readonly events: string[] = [];
  clusterId = 'c1';
  #stopWatching = new AbortController();
  #stopConverging = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  agent = this.#newAgent();

  #newAgent(): CellAgent {
    const destination = { write: (line: string) => this.lines.push(line) };
    const logger = createLogger({ level: 'info', format: 'json', destination });
    const identity = async () => ({ ...(await this.store.identity()), clusterId: this.clusterId });
    const get: Store['get'] = (...args) => this.store.get(...args);
    const guard = new StoreGuard({ store: { identity, get } as Store, file: undefined, meanwhile: '', logger });
    const events = { record: ({ message }: { message: string }) => void this.events.push(message) };
    const { clock, store, runtime } = this;
    const commit = new GroupCommit(store);
    const registry = new Registry();
    const engineMetrics = new EngineMetrics(registry);
    const metrics = new CellMetrics(registry, runtime);
    const rest = { clock, logger, engineMetrics, metrics };
    return new CellAgent({ cell, hostname: 'host-1', store, commit, runtime, guard, events, ...rest });
  }

  async start(): Promise<this> {
    await this.put(credentialsKey('i' as InstanceId), JSON.stringify(testCredentials));
    this.#running = Promise.all([
      this.agent.watch(this.#stopWatching.signal),
      this.agent.run(this.#stopConverging.signal),
    ]);
    await this.settle();
    this.agent.hold(await this.store.lease(15));
    await this.settle();
    return this;
  }

  async stop(): Promise<void> {
    await this.#stopAgent();
    await this.store.close();
  }

  stopConverging(): void {
    this.#stopConverging.abort();
  }

  async #stopAgent(): Promise<void> {
    this.#stopConverging.abort();
    this.#stopWatching.abort();
    await this.#running;
  }

  async restart(): Promise<void> {
    await this.#stopAgent();
    this.#stopConverging = new AbortController();
    this.#stopWatching = new AbortController();
    this.agent = this.#newAgent();
    await this.start();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i += 1) await settle();
  }

  async put(key: string, value: string): Promise<void> {
    await this.write({ type: 'put', key, value });
  }

  async delete(key: string): Promise<void> {
    await this.write({ type: 'delete', key });
  }

  async write(...then: Op[]): Promise<void> {
    await this.store.txn({ if: [], then });
    await this.settle();
  }

  assign(node: string, changes: Partial<Assignment> = {}): Promise<void> {
    return this.put(assigned(node), JSON.stringify(testAssignment('i', node, changes)));
  }

  async report(node: string): Promise<ObservedNode | undefined> {
    const { kv } = await this.store.get(observed(node));
    return kv && (JSON.parse(kv.value) as ObservedNode);
  }

  async value(key: string): Promise<string | undefined> {
    return (await this.store.get(key)).kv?.value;
  }

  takeCalls(): string[] {
    return this.runtime.calls.splice(0);
  }
}

describe('CellAgent', () => {
  let here: Cell;
  beforeEach(async () => {
    here = await new Cell().start();
  });
  afterEach(() => here.stop());

  const untilStarted = async (node: string) => {
    await here.assign(node);
    here.runtime.showRunning(node);
    await here.settle();
    here.takeCalls();
  };

  it('says in the store that a node may exist before it starts it', async () => {
    let atStart: ObservedNode | undefined;
    here.runtime.onCall = async () => {
      atStart = await here.report('node-a');
    };
    await here.assign('node-a');
    expect(here.takeCalls()).to.deep.equal(['start node-a']);
    expect(atStart).to.deep.equal({
      instance: 'i',
      node: 'node-a',
      state: 'starting',
      spec_hash: '',
      ports: {},
      restarts: 0,
    });
  });

  it('starts nothing when the controller takes the order back at the last moment', async () => {
    here.store.beforeTxn = async ({ if: conditions }) => {
      if (conditions.length === 0) return;
      here.store.beforeTxn = async () => {};
      await here.delete(assigned('a'));
    };
    await here.assign('a');
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.equal(undefined);
  });

  it('reports a node that answers, and where it is reached, in one transaction on its lease', async () => {
    await here.assign('a');
    here.runtime.showRunning('a', { role: 'master', streaming: ['b', 'c'] });
    await here.settle();
    expect(await here.report('a')).to.deep.equal({
      instance: 'i',
      node: 'a',
      state: 'running',
      spec_hash: 'h1',
      ports: { 5432: '127.0.0.9:20000', 8008: '127.0.0.9:20001' },
      restarts: 0,
      streaming: ['b', 'c'],
    });
    const report = await here.store.get(observed('a'));
    for (const [port, address] of [
      [5432, '127.0.0.9:20000'],
      [8008, '127.0.0.9:20001'],
    ] as const) {
      const { kv } = await here.store.get(binding('a', port));
      expect(kv?.value).to.equal(address);
      expect(kv?.modRevision).to.equal(report.kv?.modRevision);
      expect(kv?.leaseId).not.to.equal(0n);
    }
    expect(report.kv?.leaseId).to.equal(0n);
  });

  it('writes nothing at rest', async () => {
    await untilStarted('a');
    const { revision } = await here.store.identity();
    await here.clock.advance(60_000);
    here.runtime.showRunning('a');
    await here.settle();
    expect((await here.store.identity()).revision).to.equal(revision);
  });

  it('puts back what others delete', async () => {
    await untilStarted('a');
    await here.delete(observed('a'));
    await here.delete(binding('a', 5432));
    await here.put(binding('a', 8008), 'elsewhere:1');
    expect((await here.report('a'))?.state).to.equal('running');
    expect(await here.value(binding('a', 5432))).to.equal('127.0.0.9:20000');
    expect(await here.value(binding('a', 8008))).to.equal('127.0.0.9:20001');
    expect(here.takeCalls()).to.deep.equal([]);
  });

  it('hangs its bindings on the new lease when the old one was lost', async () => {
    await untilStarted('a');
    const lease = await here.store.lease(15);
    here.agent.hold(lease);
    await here.settle();
    expect((await here.store.get(binding('a', 5432))).kv?.leaseId).to.equal(lease.id);
  });

  it('takes bindings back while PostgreSQL does not run', async () => {
    await untilStarted('a');
    const sight = here.runtime.see('a' as NodeId);
    if (sight.state === 'running') here.runtime.show('a', { ...sight, patroni: undefined });
    await here.settle();
    expect(await here.report('a')).to.include({ state: 'starting' });
    expect(await here.value(binding('a', 5432))).to.equal(undefined);
  });

  it('stops and erases a removed node, and only then says that it is gone', async () => {
    await untilStarted('a');
    const states: (string | undefined)[] = [];
    here.runtime.onCall = async (call) => {
      states.push(`${call}: ${(await here.report('a'))?.state}`);
    };
    await here.assign('a', { desired: 'removed' });
    expect(states).to.deep.equal(['stop a: stopping', 'prove a: stopping', 'settle a: stopping', 'erase a: stopping']);
    expect(await here.report('a')).to.equal(undefined);
    expect(await here.value(binding('a', 5432))).to.equal(undefined);
    await here.delete(assigned('a'));
    expect(here.runtime.calls).to.have.length(4);
  });

  it('stops a node by order and keeps its data, and starts it again on them', async () => {
    await untilStarted('a');
    await here.assign('a', { desired: 'stopped' });
    expect(here.takeCalls()).to.deep.equal(['stop a', 'prove a', 'settle a']);
    expect(await here.report('a')).to.include({ state: 'stopped' });
    await here.assign('a');
    expect(here.takeCalls()).to.deep.equal(['start a']);
  });

  it('leaves a node alone that nobody ordered while the store is being restored, and says that it runs', async () => {
    await untilStarted('a');
    const restoration = { id: 'r', at: '', snapshot: 's', replaces: 'c1', finished: false };
    await here.put('/pgherd/restoration', JSON.stringify(restoration));
    await here.delete(assigned('a'));
    await here.delete(observedKey(cell, 'a' as NodeId));
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.include({ state: 'running' });
    await here.put('/pgherd/restoration', JSON.stringify({ ...restoration, finished: true }));
    await here.clock.advance(11_000);
    await here.settle();
    expect(here.takeCalls()).to.include('discard a');
  });

  it('keeps the data of a node whose assignment vanishes', async () => {
    await untilStarted('a');
    await here.delete(assigned('a'));
    expect(here.takeCalls()).to.deep.equal(['stop a', 'prove a', 'settle a', 'discard a']);
    expect(await here.report('a')).to.equal(undefined);
  });

  it('changes nothing when the store is another one', async () => {
    await untilStarted('a');
    here.clusterId = 'c2';
    await here.delete(assigned('a'));
    expect(here.takeCalls()).to.deep.equal([]);
    expect((await here.report('a'))?.state).to.equal('running');
  });

  it('does not stop a node on a cache that is late', async () => {
    await untilStarted('a');
    // Deleted and put back within one batch: the agent sees the first and asks before it acts.
    await here.store.txn({ if: [], then: [{ type: 'delete', key: assigned('a') }] });
    await here.store.txn({
      if: [],
      then: [{ type: 'put', key: assigned('a'), value: JSON.stringify(testAssignment('i', 'a')) }],
    });
    await here.settle();
    expect(here.takeCalls()).to.deep.equal([]);
  });

  it('restarts a node whose order changed', async () => {
    await untilStarted('a');
    await here.assign('a', { spec_hash: 'h2' });
    expect(here.takeCalls()).to.deep.equal(['stop a', 'prove a', 'settle a', 'start a']);
    here.runtime.showRunning('a', { specHash: 'h2' });
    await here.settle();
    expect(await here.report('a')).to.include({ state: 'running', spec_hash: 'h2', restarts: 1 });
  });

  it('lets a node run on while its image is on its way, and restarts it when it is here', async () => {
    await untilStarted('a');
    here.runtime.unready.set('a', { state: 'fetching' });
    await here.assign('a', { spec_hash: 'h2' });
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.include({ state: 'running', spec_hash: 'h1' });
    expect(await here.report('a')).to.not.have.property('last_error');
    here.runtime.unready.delete('a');
    await here.clock.advance(2000);
    await here.settle();
    expect(here.takeCalls()).to.deep.equal(['stop a', 'prove a', 'settle a', 'start a']);
  });

  it('does not stop a node that could not be started again, says why, and forgets it with the next order', async () => {
    await untilStarted('a');
    here.runtime.unready.set('a', { state: 'impossible', why: 'there is no such image' });
    await here.assign('a', { spec_hash: 'h2' });
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.include({ state: 'running', last_error: 'there is no such image' });
    await here.assign('a', { spec_hash: 'h1' });
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.not.have.property('last_error');
  });

  it('restarts PostgreSQL in place once for an order, and only while Patroni waits for that', async () => {
    await untilStarted('a');
    await here.assign('a', { restart_pending: true });
    expect(here.takeCalls()).to.deep.equal([]);
    here.runtime.showRunning('a', { pendingRestart: true });
    await here.settle();
    here.runtime.showRunning('a', { pendingRestart: true });
    await here.settle();
    expect(here.takeCalls()).to.deep.equal(['restart a']);
    expect(await here.report('a')).to.include({ state: 'running', pending_restart: true });
    await here.assign('a', { restart_pending: true });
    expect(here.takeCalls()).to.deep.equal(['restart a']);
  });

  describe('when a node ends by itself', () => {
    const leader = leaderKey('i' as InstanceId);

    it('releases its leader key after the proof and before it starts it again', async () => {
      await untilStarted('a');
      await here.put(leader, 'a');
      const seen: string[] = [];
      here.runtime.onCall = async (call) => {
        seen.push(`${call}, leader ${await here.value(leader)}`);
      };
      here.runtime.showEnded('a', 'killed');
      await here.settle();
      expect(seen).to.deep.equal(['prove a, leader a', 'settle a, leader undefined', 'start a, leader undefined']);
      expect(here.events).to.deep.equal(['node a: killed; its leader key was released at once']);
    });

    it('leaves the key of another leader alone', async () => {
      await untilStarted('a');
      await here.put(leader, 'b');
      here.runtime.showEnded('a', 'killed');
      await here.settle();
      expect(await here.value(leader)).to.equal('b');
      expect(here.takeCalls()).to.deep.equal(['prove a', 'settle a', 'start a']);
    });

    it('neither releases nor starts before it can prove that nothing is left', async () => {
      await untilStarted('a');
      await here.put(leader, 'a');
      here.runtime.failures.set('prove a', new Error('process 7 does not end'));
      here.runtime.showEnded('a', 'killed');
      await here.clock.advance(5000);
      expect(new Set(here.takeCalls())).to.deep.equal(new Set(['prove a']));
      expect(await here.value(leader)).to.equal('a');
      here.runtime.failures.clear();
      await here.clock.advance(10_000);
      expect(here.takeCalls()).to.deep.equal(['prove a', 'settle a', 'start a']);
    });

    it('starts it later each time it fails again, and calls it failed', async () => {
      await untilStarted('a');
      const starts: number[] = [];
      here.runtime.onCall = async (call) => {
        if (call === 'start a') starts.push(here.clock.monotonic());
      };
      for (let crash = 0; crash < 4; crash += 1) {
        here.runtime.showEnded('a', 'killed');
        await here.clock.advance(5000);
      }
      expect(starts.map((ms) => ms % 5000)).to.deep.equal([0, 1000, 2000, 4000]);
      expect(await here.report('a')).to.include({ state: 'failed', last_error: 'killed', restarts: 4 });
    });
  });

  describe('while an instance is bootstrapped', () => {
    const initialize = '/service/i/initialize';

    it('does not call a node running before the instance is', async () => {
      await here.assign('a');
      await here.put(initialize, '');
      here.runtime.showRunning('a', { role: 'master', complete: false });
      await here.clock.advance(2000);
      expect(await here.report('a')).to.include({ state: 'starting' });
      await here.put(initialize, '7000000000000000000');
      await here.clock.advance(1000);
      expect(here.takeCalls()).to.deep.equal(['start a', 'complete a']);
      expect(await here.report('a')).to.include({ state: 'running' });
    });

    it('puts aside what a crash left of it, and lets it begin anew', async () => {
      await here.assign('a');
      await here.put(initialize, '');
      here.runtime.showRunning('a', { complete: false });
      here.runtime.showEnded('a', 'killed', false);
      await here.settle();
      expect(here.takeCalls()).to.deep.equal(['start a', 'prove a', 'aside a', 'settle a', 'start a']);
      expect(await here.value(initialize)).to.equal(undefined);
    });

    it('leaves the mark of another node alone that bootstraps', async () => {
      here.runtime.hasData = false;
      await here.assign('a');
      await here.put(initialize, '');
      here.runtime.showEnded('a', 'killed', false);
      await here.settle();
      expect(await here.value(initialize)).to.equal('');
    });

    it('never puts aside data of an instance that was bootstrapped', async () => {
      await here.assign('a');
      await here.put(initialize, '7000000000000000000');
      here.runtime.showEnded('a', 'killed', false);
      await here.settle();
      await here.put(initialize, '');
      here.runtime.showEnded('a', 'killed', true);
      await here.settle();
      expect(here.takeCalls()).not.to.include('aside a');
    });

    it('takes the mark away when nobody goes on with it', async () => {
      const member = (state: string) =>
        here.put('/service/i/members/b', JSON.stringify({ role: 'uninitialized', state, conn_url: '', api_url: '' }));
      await here.assign('a');
      await here.put(initialize, '');
      await member('initializing new cluster');
      here.runtime.showRunning('a', { complete: false });
      await here.clock.advance(60_000);
      expect(await here.value(initialize)).to.equal('');
      await member('stopped');
      await here.clock.advance(1000);
      expect(await here.value(initialize)).to.equal(undefined);
    });
  });

  it('calls a node failed that cannot be started, says why, and lets others be', async () => {
    here.runtime.failures.set('start a', new Error('cannot start node a in /data/a: no space left on device'));
    await here.assign('a');
    await here.assign('b');
    here.runtime.showRunning('b');
    await here.clock.advance(3000);
    expect(await here.report('a')).to.include({
      state: 'failed',
      last_error: 'cannot start node a in /data/a: no space left on device',
    });
    expect((await here.report('b'))?.state).to.equal('running');
    here.runtime.failures.clear();
    await here.clock.advance(60_000);
    here.runtime.showRunning('a');
    await here.settle();
    expect(await here.report('a'))
      .to.include({ state: 'running' })
      .and.not.to.have.property('last_error');
  });

  it('leaves a node alone whose assignment cannot be read', async () => {
    await untilStarted('a');
    await here.put(assigned('a'), '{"node": 7}');
    await here.put(assigned('x'), 'not JSON');
    expect(here.takeCalls()).to.deep.equal([]);
    expect((await here.report('a'))?.state).to.equal('running');
    expect(await here.report('x')).to.equal(undefined);
  });

  it('adopts running nodes when the agent is restarted, without a word to the databases', async () => {
    await untilStarted('a');
    await here.restart();
    expect(here.takeCalls()).to.deep.equal([]);
    expect(await here.report('a')).to.include({ state: 'running', restarts: 0 });
  });

  it('says on exit that it stopped its nodes', async () => {
    await untilStarted('a');
    here.stopConverging();
    await here.settle();
    await here.agent.stopNodes(1000);
    expect(here.takeCalls()).to.deep.equal(['stop a', 'prove a', 'settle a']);
    expect(await here.report('a')).to.include({ state: 'stopped' });
  });
});
