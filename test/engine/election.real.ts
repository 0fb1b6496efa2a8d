import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { systemClock as clock } from '../../src/time/clock.ts';
import type { ElectorMessage } from '../fixtures/elector.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';

const key = '/pgherd/leader';

/** A process of its own that takes part in the election. */
class Elector {
  readonly messages: ElectorMessage[] = [];
  readonly #child: ChildProcess;
  readonly ended: Promise<unknown[]>;

  constructor(endpoint: string, identity: string, leaseSeconds: number) {
    const program = fileURLToPath(new URL('../fixtures/elector.js', import.meta.url));
    this.#child = fork(program, [endpoint, key, identity, String(leaseSeconds)]);
    this.#child.on('message', (message: ElectorMessage) => this.messages.push(message));
    this.ended = once(this.#child, 'exit');
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first message of the type, from the `from`th on, as soon as it comes. */
  async told<T extends ElectorMessage['type']>(type: T, from = 0): Promise<Extract<ElectorMessage, { type: T }>> {
    for (;;) {
      const found = this.messages.slice(from).find((message) => message.type === type);
      if (found) return found as Extract<ElectorMessage, { type: T }>;
      await once(this.#child, 'message');
    }
  }
}

describe('Election, between processes on etcd', () => {
  let etcd: EtcdProcess;
  let electors: Elector[];

  before(async () => {
    etcd = await startEtcd();
  });
  after(() => etcd.stop());
  beforeEach(() => {
    electors = [];
  });
  afterEach(async () => {
    for (const elector of electors) elector.kill('SIGKILL');
    await Promise.all(electors.map(({ ended }) => ended));
  });

  function start(identity: string, leaseSeconds = 3): Elector {
    const elector = new Elector(etcd.endpoint, identity, leaseSeconds);
    electors.push(elector);
    return elector;
  }

  it('the next write of a leader that was suspended past its lease fails, and its process ends with an error', async () => {
    const first = start('first');
    await first.told('wrote');
    const second = start('second');
    first.kill('SIGSTOP');
    const { revision } = await second.told('leading');
    const before = first.messages.length;
    const lastWrite = first.messages.at(-1);
    expect(lastWrite, 'it wrote until it was suspended').to.include({ type: 'wrote', succeeded: true });

    first.kill('SIGCONT');
    const [exitCode] = await first.ended;
    const afterwards = first.messages.slice(before);
    for (const message of afterwards) {
      if (message.type !== 'wrote') continue;
      const isOld = BigInt(message.revision) < BigInt(revision);
      expect(message.succeeded, `a write at ${message.revision}, the new leader began at ${revision}`).to.equal(isOld);
    }
    expect(afterwards.at(-2), 'its last try').to.include({ type: 'wrote', succeeded: false });
    expect(afterwards.at(-1)).to.deep.equal({ type: 'lost', code: 'leadership-lost' });
    expect(exitCode).to.equal(1);
    expect(await second.told('wrote')).to.include({ succeeded: true });
    second.kill('SIGTERM');
    expect(await second.ended).to.deep.equal([0, null]);
  });

  it('a standby takes over from a leader that ends in order, without waiting for its lease', async () => {
    const first = start('first', 60);
    await first.told('wrote');
    const second = start('second', 60);
    await second.told('started');
    await clock.sleep(300);
    first.kill('SIGTERM');
    expect(await first.ended).to.deep.equal([0, null]);
    const endedMs = clock.monotonic();
    await second.told('leading');
    expect(clock.monotonic() - endedMs).to.be.lessThan(20_000);
    second.kill('SIGTERM');
    await second.ended;
  });

  it('a standby takes over from a leader that was killed, when its lease has run out', async () => {
    const first = start('first');
    await first.told('wrote');
    const second = start('second');
    await second.told('started');
    await clock.sleep(300);
    first.kill('SIGKILL');
    const killedMs = clock.monotonic();
    await second.told('leading');
    expect(clock.monotonic() - killedMs).to.be.greaterThan(500);
    second.kill('SIGTERM');
    await second.ended;
  });
});
