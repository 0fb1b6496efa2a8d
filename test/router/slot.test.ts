import { expect } from 'chai';
import fc from 'fast-check';
import type { Endpoint, Wish } from '../../src/router/route.ts';
import { emptySlot, planSlot, type Slot } from '../../src/router/slot.ts';

const endpoint = (n: number): Endpoint => ({
  host: `10.0.0.${n}`,
  port: 5432,
  checkHost: `10.0.0.${n}`,
  checkPort: 8008,
});
const open = (...numbers: number[]): Wish => ({ kind: 'open', endpoints: numbers.map(endpoint) });
const shut: Wish = { kind: 'shut', reason: 'two claim to lead' };
const hold: Wish = { kind: 'hold', reason: 'nobody leads' };

/** HAProxy as far as slots go: applies one command, as its documentation says. */
class FakeSlot {
  readonly servers: { admin: string; address: string; check: string; hasSessions: boolean }[];

  constructor(slot: Slot) {
    this.servers = slot.map(({ admin, endpoint: { host, port, checkHost, checkPort } }) => ({
      admin,
      address: `${host} ${port}`,
      check: `${checkHost} ${checkPort}`,
      hasSessions: admin !== 'maint',
    }));
  }

  apply(command: string): void {
    const match =
      /^(?:set|shutdown sessions) server p1\/s(\d)(?: (addr|check-addr|state|health) (\S+)(?: port (\d+))?)?$/;
    const [, number, setting, value, port] = match.exec(command) ?? expect.fail(`no command: ${command}`);
    const server = this.servers[Number(number) - 1] ?? expect.fail(`no server: ${command}`);
    if (setting === undefined) server.hasSessions = false;
    if (setting === 'addr') server.address = `${value} ${port}`;
    if (setting === 'check-addr') server.check = `${value} ${port}`;
    if (setting === 'state') server.admin = value as string;
    if (server.admin === 'ready') server.hasSessions = true;
  }

  get ready() {
    return this.servers.filter(({ admin }) => admin === 'ready');
  }
}

describe('planSlot()', () => {
  it('cuts the sessions of the old leader before it opens the new one, on another server', () => {
    const { next } = planSlot('p1', emptySlot('leader'), open(1));
    expect(planSlot('p1', next, open(2)).commands).to.deep.equal([
      'set server p1/s1 state maint',
      'shutdown sessions server p1/s1',
      'set server p1/s2 addr 10.0.0.2 port 5432',
      'set server p1/s2 check-addr 10.0.0.2 port 8008',
      'set server p1/s2 state ready',
      'set server p1/s2 health up',
    ]);
  });

  it('says nothing when the route is as wished', () => {
    const { next } = planSlot('p1', emptySlot('leader'), open(1));
    expect(planSlot('p1', next, open(1)).commands).to.deep.equal([]);
    expect(planSlot('p1', next, hold).commands).to.deep.equal([]);
  });

  it('keeps sessions and stops new ones when two claim to lead, and goes on when that is settled', () => {
    const { next } = planSlot('p1', emptySlot('leader'), open(1));
    const closing = planSlot('p1', next, shut);
    expect(closing.commands).to.deep.equal(['set server p1/s1 state drain']);
    expect(planSlot('p1', closing.next, open(1)).commands).to.deep.equal(['set server p1/s1 state ready']);
    expect(planSlot('p1', closing.next, open(2)).commands.slice(0, 2)).to.deep.equal([
      'set server p1/s1 state maint',
      'shutdown sessions server p1/s1',
    ]);
  });

  it('cuts everything when the port is given back', () => {
    const { next } = planSlot('p1', emptySlot('leader'), open(1));
    expect(planSlot('p1', next, open()).commands).to.deep.equal([
      'set server p1/s1 state maint',
      'shutdown sessions server p1/s1',
    ]);
  });

  it('moves the health check and cuts nobody when only the REST address of the leader changed', () => {
    const { next } = planSlot('p1', emptySlot('leader'), open(1));
    const moved: Wish = { kind: 'open', endpoints: [{ ...endpoint(1), checkPort: 9009 }] };
    expect(planSlot('p1', next, moved).commands).to.deep.equal(['set server p1/s1 check-addr 10.0.0.1 port 9009']);
  });

  it('leaves replicas alone that stay, when others come and go', () => {
    const { next } = planSlot('p1', emptySlot('replicas'), open(3, 4, 5));
    const { commands } = planSlot('p1', next, open(1, 3, 5));
    expect(commands.filter((command) => !/s2|s4/.test(command))).to.deep.equal([]);
  });

  it('serves as many replicas as there are servers, and does not replace one by another', () => {
    const { next } = planSlot('p1', emptySlot('replicas'), open(3, 4, 5, 6));
    expect(planSlot('p1', next, open(1, 2, 3, 4, 5, 6)).commands).to.deep.equal([]);
  });

  it('never has two ready servers in a leader slot, nor opens one before the other lost its sessions', () => {
    const wish = fc.oneof(
      fc.constantFrom(shut, hold, open()),
      fc.integer({ min: 1, max: 3 }).map((n) => open(n)),
    );
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), (wishes) => {
        let slot = emptySlot('leader');
        for (const each of wishes) {
          const haproxy = new FakeSlot(slot);
          const { commands, next } = planSlot('p1', slot, each);
          for (const command of commands) {
            haproxy.apply(command);
            expect(haproxy.ready.length).to.be.at.most(1);
            const others = haproxy.servers.filter((server) => server.admin !== 'ready' && server.hasSessions);
            if (haproxy.ready.length > 0) expect(others).to.deep.equal([]);
          }
          if (each.kind === 'open')
            expect(haproxy.ready.map(({ address }) => address)).to.deep.equal(
              each.endpoints.map(({ host, port }) => `${host} ${port}`),
            );
          if (each.kind === 'shut') expect(haproxy.ready).to.deep.equal([]);
          expect(new FakeSlot(next).servers).to.deep.equal(haproxy.servers);
          slot = next;
        }
      }),
    );
  });

  it('serves exactly the wished replicas as long as there is room', () => {
    const wish = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }).map((numbers) => open(...numbers));
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 12 }), (wishes) => {
        let slot = emptySlot('replicas');
        for (const each of wishes) {
          slot = planSlot('p1', slot, each).next;
          const ready = slot.filter(({ admin }) => admin === 'ready').map((server) => server.endpoint);
          if (each.kind === 'open') expect(ready).to.have.deep.members([...each.endpoints]);
        }
      }),
    );
  });
});
