import { expect } from 'chai';
import fc from 'fast-check';
import { parseFact } from '../../src/router/fact.ts';
import { closed } from '../../src/router/route.ts';
import { RoutingView } from '../../src/router/routing-view.ts';
import type { InstanceId } from '../../src/schema/ids.ts';

const range = { first: 30000, last: 30009 };
const id = (text: string) => text as InstanceId;

const member = (n: number, fields: object = {}) =>
  JSON.stringify({
    role: 'replica',
    state: 'running',
    conn_url: `postgres://10.0.0.${n}:5432/postgres`,
    api_url: `http://10.0.0.${n}:8008/patroni`,
    ...fields,
  });
const endpoint = (n: number) => ({ host: `10.0.0.${n}`, port: 5432, checkHost: `10.0.0.${n}`, checkPort: 8008 });

/** A view after these keys were put one after another; `undefined` deletes one. */
function viewOf(...keys: readonly (readonly [string, string | undefined])[]): RoutingView {
  const view = new RoutingView(range);
  let revision = 1n;
  for (const [key, value] of keys) {
    revision += 1n;
    const kv = { key, value: value ?? '', createRevision: revision, modRevision: revision, leaseId: 0n };
    view.apply(parseFact(kv), value === undefined ? undefined : revision);
  }
  return view;
}

const f1 = [
  ['/routing/allocation/f1', '30000'],
  ['/routing/ports/30000', 'f1'],
  ['/service/f1/members/a', member(1, { role: 'master' })],
  ['/service/f1/members/b', member(2)],
  ['/service/f1/leader', 'a'],
] as const;
const openTo = (...numbers: number[]) => ({ kind: 'open', endpoints: numbers.map(endpoint) });

const problemOf = (view: RoutingView, instance: InstanceId) => {
  const status = view.statusOf(instance);
  return status?.state === 'shut' ? status.problem : undefined;
};

describe('RoutingView.route()', () => {
  it('leads to the member that the leader key names, and read-only to the running replicas', () => {
    expect(viewOf(...f1).route(30000)).to.deep.equal({ leader: openTo(1), replicas: openTo(2) });
  });

  it('believes the leader key, not the role that a member claims', () => {
    const view = viewOf(...f1, ['/service/f1/leader', 'b']);
    expect(view.route(30000).leader).to.deep.equal(openTo(2));
  });

  it('leads nowhere when two members claim to lead, until one takes it back', () => {
    const view = viewOf(...f1, ['/service/f1/leader', 'b'], ['/service/f1/members/a', member(1, { role: 'primary' })]);
    expect(view.route(30000).leader).to.deep.include({ kind: 'shut', reason: 'b and a both claim to lead' });
    expect(problemOf(view, id('f1'))).to.equal('b and a both claim to lead');
    const settled = viewOf(
      ...f1,
      ['/service/f1/leader', 'b'],
      ['/service/f1/members/a', member(1, { role: 'primary' })],
      ['/service/f1/members/a', member(1)],
    );
    expect(settled.route(30000)).to.deep.equal({ leader: openTo(2), replicas: openTo(1) });
  });

  it('keeps the route when the leader key vanishes: the health check knows better', () => {
    const view = viewOf(...f1, ['/service/f1/leader', undefined]);
    expect(view.route(30000).leader.kind).to.equal('hold');
    expect(view.route(30000).replicas.kind).to.equal('hold');
  });

  it('closes the port when the instance is deleted, and only when both of its keys are gone', () => {
    const half = viewOf(...f1, ['/routing/allocation/f1', undefined]);
    expect(half.route(30000).leader.kind).to.equal('shut');
    const gone = viewOf(...f1, ['/routing/allocation/f1', undefined], ['/routing/ports/30000', undefined]);
    expect(gone.route(30000)).to.deep.equal({ leader: closed, replicas: closed });
  });

  it('keeps the last readable value of a member that turns into rubbish', () => {
    expect(viewOf(...f1, ['/service/f1/members/a', '{"role":']).route(30000).leader).to.deep.equal(openTo(1));
  });

  for (const [name, value, problem] of [
    ['is not JSON', 'rubbish', 'leader c: member key: not JSON'],
    ['has no role', '{}', 'leader c: member key: role: Invalid input: expected string, received undefined'],
    [
      'has a host name',
      member(3, { conn_url: 'postgres://u:secret@db:5432/' }),
      'leader c: conn_url has no IP address and port',
    ],
    ['has no port', member(3, { api_url: 'http://null/patroni' }), 'leader c: api_url has no IP address and port'],
    ['is missing', undefined, 'leader c has no member key'],
  ] as const) {
    it(`stops new connections when the member key of a new leader ${name}`, () => {
      const view = viewOf(...f1, ['/service/f1/members/c', value], ['/service/f1/leader', 'c']);
      expect(view.route(30000).leader).to.deep.equal({ kind: 'shut', reason: problem });
      expect(problemOf(view, id('f1'))).to.equal(problem);
    });
  }

  it('reads IPv6 addresses and ignores credentials', () => {
    const six = member(1, { conn_url: 'postgres://u:p@[::1]:5432/x', api_url: 'http://[::1]:8008/patroni' });
    const { leader } = viewOf(...f1, ['/service/f1/members/a', six]).route(30000);
    expect(leader).to.deep.equal({
      kind: 'open',
      endpoints: [{ host: '::1', port: 5432, checkHost: '::1', checkPort: 8008 }],
    });
  });

  it('leaves an instance its port when another claims the same', () => {
    const view = viewOf(...f1, ['/routing/allocation/thief', '30000']);
    expect(view.route(30000).leader).to.deep.equal(openTo(1));
    expect(problemOf(view, id('thief'))).to.equal('port 30000 belongs to f1');
    expect(problemOf(view, id('f1'))).to.equal(undefined);
  });

  it('opens a port for nobody when two claim it and no key says whose it is', () => {
    const view = viewOf(...f1, ['/routing/ports/30000', undefined], ['/routing/allocation/thief', '30000']);
    expect(view.route(30000).leader).to.deep.equal({ kind: 'shut', reason: 'f1, thief have the same port' });
    expect(problemOf(view, id('f1'))).to.equal('f1, thief have the same port');
  });

  it('says why when an allocation is not a port, or outside the block, and cuts nobody', () => {
    const view = viewOf(...f1, ['/routing/allocation/f1', 'thirty']);
    expect(problemOf(view, id('f1'))).to.equal('allocation: "thirty" is not a port');
    expect(view.route(30000).leader.kind).to.equal('shut');
    const outside = viewOf(['/routing/allocation/f2', '40000']);
    expect(problemOf(outside, id('f2'))).to.equal('port 40000 is outside the block 30000-30009');
  });

  it('opens only ports whose instance owns them and whose leader is named, whatever the keys say', () => {
    const value = fc.constantFrom(
      undefined,
      'rubbish',
      '30000',
      '30001',
      'f1',
      'f2',
      'a',
      'b',
      member(1),
      member(2, { role: 'master' }),
    );
    const key = fc.constantFrom(
      ...['f1', 'f2'].flatMap((f) => ['leader', 'members/a', 'members/b'].map((rest) => `/service/${f}/${rest}`)),
      ...['/routing/allocation/f1', '/routing/allocation/f2', '/routing/ports/30000', '/routing/ports/30001'],
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value), { maxLength: 30 }), (puts) => {
        const view = viewOf(...puts);
        const last = new Map(puts);
        for (const port of [30000, 30001]) {
          const { leader } = view.route(port);
          if (leader.kind !== 'open' || leader.endpoints.length === 0) continue;
          expect(leader.endpoints.length).to.equal(1);
          const owners = ['f1', 'f2'].filter((f) => last.get(`/routing/allocation/${f}`) === String(port));
          const holder = last.get(`/routing/ports/${port}`);
          const owner = holder ?? (owners.length === 1 ? owners[0] : undefined);
          expect(owners).to.include(owner);
          expect(last.get(`/service/${owner}/leader`)).to.be.oneOf(['a', 'b']);
        }
      }),
    );
  });
});

describe('RoutingView.takeChanges()', () => {
  it('names the one port that a leader change touches', () => {
    const view = viewOf(...f1, ['/routing/allocation/f2', '30002']);
    view.takeChanges();
    expect([...view.takeChanges().ports]).to.deep.equal([]);
    view.apply({ kind: 'leader', instance: id('f1'), node: 'b' as never }, 99n);
    expect([...view.takeChanges().ports]).to.deep.equal([30000]);
  });

  it('names both ports when an allocation changes', () => {
    const view = viewOf(...f1);
    view.takeChanges();
    view.apply({ kind: 'allocation', instance: id('f1'), port: { ok: true, value: 30005 } }, 99n);
    expect([...view.takeChanges().ports].sort()).to.deep.equal([30000, 30005]);
  });
});
