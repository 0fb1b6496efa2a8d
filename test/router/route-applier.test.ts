import { expect } from 'chai';
import { createLogger } from '../../src/engine/logger.ts';
import { parseFact } from '../../src/router/fact.ts';
import { HaproxyError } from '../../src/router/haproxy-error.ts';
import type { PortBlock } from '../../src/router/port-block.ts';
import { RouteApplier } from '../../src/router/route-applier.ts';
import { RoutingView } from '../../src/router/routing-view.ts';
import { emptySlot, type Slot, type SlotRole } from '../../src/router/slot.ts';
import { FakeClock, settle } from '../fixtures/fake-clock.ts';

const range = { first: 30000, last: 30009 };
const logger = createLogger({ level: 'silent', format: 'json', destination: process.stderr });

/** An HAProxy that remembers what it was told, and refuses what a test does not like. */
class FakeHaproxy {
  readonly listeners = new Map<number, { port: number; role: SlotRole; slot: Slot }>();
  readonly told: string[][] = [];
  refuse: (command: string) => HaproxyError | undefined = () => undefined;

  constructor() {
    for (let port = range.first; port <= range.last; port++) {
      this.listeners.set(port, { port, role: 'leader', slot: emptySlot('leader') });
      this.listeners.set(port - 10, { port: port - 10, role: 'replicas', slot: emptySlot('replicas') });
    }
  }

  async refresh(): Promise<void> {}

  async apply(plans: readonly { port: number; commands: readonly string[]; next: Slot }[]): Promise<void> {
    const commands = plans.flatMap((plan) => plan.commands);
    for (const command of commands) {
      const error = this.refuse(command);
      if (error) throw error;
    }
    this.told.push(commands);
    for (const { port, next } of plans) {
      const listener = this.listeners.get(port);
      if (listener) this.listeners.set(port, { ...listener, slot: next });
    }
  }

  leaderOf(port: number): string | undefined {
    return this.listeners.get(port)?.slot.find(({ admin }) => admin === 'ready')?.endpoint.host;
  }
}

describe('RouteApplier', () => {
  let clock: FakeClock;
  let haproxy: FakeHaproxy;
  let view: RoutingView;
  let revision: bigint;
  let isTrusted: boolean;
  let questions: number;
  let whileAsked: () => void;
  let applied: bigint[];
  let problem: string | undefined;
  let applier: RouteApplier;
  let stop: AbortController;
  let ended: Promise<void>;

  beforeEach(() => {
    clock = new FakeClock();
    haproxy = new FakeHaproxy();
    view = new RoutingView(range);
    revision = 0n;
    isTrusted = true;
    questions = 0;
    whileAsked = () => {};
    applied = [];
    problem = undefined;
    const block = {
      processOf: () => (problem === undefined ? haproxy : undefined),
      get problem() {
        return problem;
      },
    };
    applier = new RouteApplier({
      view,
      block: block as unknown as PortBlock,
      range,
      viewRevision: () => revision,
      isTrusted: async () => {
        questions += 1;
        whileAsked();
        return isTrusted;
      },
      onApplied: (upTo) => applied.push(upTo),
      clock,
      logger,
    });
    stop = new AbortController();
    ended = applier.run(stop.signal);
  });
  afterEach(async () => {
    stop.abort();
    await ended;
    expect(clock.pendingTimers).to.equal(0);
  });

  function put(key: string, value: string | undefined): void {
    revision += 1n;
    const kv = { key, value: value ?? '', createRevision: revision, modRevision: revision, leaseId: 0n };
    view.apply(parseFact(kv), value === undefined ? undefined : revision);
  }

  function instance(id: string, port: number): void {
    put(`/routing/allocation/${id}`, String(port));
    for (const [node, n] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      const [conn_url, api_url] = [`postgres://10.0.${port - 30000}.${n}:5432/`, `http://10.0.0.${n}:8008/`];
      put(`/service/${id}/members/${node}`, JSON.stringify({ role: 'replica', state: 'running', conn_url, api_url }));
    }
    put(`/service/${id}/leader`, 'a');
  }

  async function look(): Promise<void> {
    applier.look(view.takeChanges().ports);
    await settle();
  }

  it('touches only the ports of the instance whose leader changed', async () => {
    instance('f0', 30000);
    instance('f1', 30001);
    await look();
    haproxy.told.length = 0;
    put('/service/f1/leader', 'b');
    await look();
    expect(haproxy.told.length).to.equal(1);
    for (const command of haproxy.told.flat()) expect(command).to.match(/(p30001|r29991)\//);
    expect(haproxy.leaderOf(30001)).to.equal('10.0.1.2');
    expect(applied.at(-1)).to.equal(revision);
  });

  it('tells that nothing had to be done, too: somebody waits for that revision', async () => {
    instance('f0', 30000);
    await look();
    put('/service/f0/leader', 'a');
    await look();
    expect([haproxy.told.length, applied.at(-1)]).to.deep.equal([1, revision]);
  });

  it('tells nothing of a round that began before HAProxy was there', async () => {
    problem = 'haproxy is not started yet';
    whileAsked = () => {
      problem = undefined;
    };
    instance('f0', 30000);
    await look();
    expect([haproxy.told, applied]).to.deep.equal([[], []]);
    applier.look([30000]);
    await settle();
    expect([haproxy.leaderOf(30000), applied]).to.deep.equal(['10.0.0.1', [revision]]);
  });

  it('applies what came while HAProxy was away when it is back, and tells nothing before', async () => {
    haproxy.refuse = () => new HaproxyError('unreachable', 'gone');
    instance('f0', 30000);
    await look();
    instance('f1', 30001);
    await look();
    expect(applied).to.deep.equal([]);
    haproxy.refuse = () => undefined;
    await clock.advance(1_000);
    expect([haproxy.leaderOf(30000), haproxy.leaderOf(30001)]).to.deep.equal(['10.0.0.1', '10.0.1.1']);
    expect(applied.at(-1)).to.equal(revision);
  });

  it('serves everybody else when HAProxy refuses the commands of one port, and names that port', async () => {
    haproxy.refuse = (command) =>
      command.includes('p30001/') ? new HaproxyError('command-refused', 'No such server.') : undefined;
    instance('f0', 30000);
    instance('f1', 30001);
    instance('f2', 30002);
    await look();
    expect([30000, 30001, 30002].map((port) => haproxy.leaderOf(port))).to.deep.equal([
      '10.0.0.1',
      undefined,
      '10.0.2.1',
    ]);
    expect([...applier.broken]).to.deep.equal([30001]);
    haproxy.refuse = () => undefined;
    put('/service/f1/leader', 'b');
    await look();
    expect([haproxy.leaderOf(30001), applier.broken.size]).to.deep.equal(['10.0.1.2', 0]);
  });

  it('closes no port before the store was asked who it is, and none at all when it is another one', async () => {
    instance('f0', 30000);
    await look();
    expect(questions).to.equal(1);
    put('/service/f0/leader', 'b');
    await look();
    expect(questions).to.equal(1);
    isTrusted = false;
    put('/routing/allocation/f0', undefined);
    await look();
    expect([questions, haproxy.leaderOf(30000)]).to.deep.equal([2, '10.0.0.2']);
  });

  it('asks again who the store is when its revision went back', async () => {
    instance('f0', 30000);
    await look();
    isTrusted = false;
    put('/service/f0/leader', 'b');
    revision = 1n;
    await look();
    expect(haproxy.leaderOf(30000)).to.equal('10.0.0.1');
  });
});
