import { expect } from 'chai';
import { planEffects } from '../../../src/controller/decide/effects.ts';
import { defaultCatalog } from '../../../src/schema/catalog.ts';
import { type InstanceSpec, parseInstanceSpec } from '../../../src/schema/instance-spec.ts';

function spec(parameters: object = {}, more: object = {}): InstanceSpec {
  const parsed = parseInstanceSpec(JSON.stringify({ plan: 'standard', parameters, ...more }), defaultCatalog);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.value;
}

describe('planEffects()', () => {
  const cases: [what: string, before: InstanceSpec | undefined, after: InstanceSpec, kinds: string[]][] = [
    ['a new instance', undefined, spec(), ['create']],
    ['the same again', spec(), spec(), ['nothing']],
    ['deletion-protection', spec(), spec({}, { 'deletion-protection': true }), ['nothing']],
    ['a pause', spec(), spec({ 'node-count': 5 }, { paused: true }), ['nothing']],
    ['more nodes', spec(), spec({ 'node-count': 5 }), ['add-nodes']],
    ['fewer nodes', spec(), spec({ 'node-count': 1 }), ['remove-nodes']],
    ['another pool', spec(), spec({ zones: ['z1'] }), ['add-nodes', 'switchover', 'remove-nodes']],
    ['a parameter that is reloaded', spec(), spec({ postgresql: { work_mem: '8MB' } }), ['reload']],
    [
      'a parameter that needs a restart',
      spec(),
      spec({ postgresql: { max_connections: 9 } }),
      ['reload', 'restart', 'switchover', 'restart'],
    ],
    [
      'more of what replicas need as much of as the leader',
      spec(),
      spec({ postgresql: { max_connections: 900 } }),
      ['reload', 'restart', 'switchover'],
    ],
    ['one that is the default anyway', spec(), spec({ postgresql: { max_connections: 100 } }), ['nothing']],
    ['synchronous replication', spec(), spec({ synchronous: true }), ['reload']],
    ['an adopted cluster', spec({}, { adopted: true }), spec({ 'node-count': 5 }, { adopted: true }), ['nothing']],
    ['another image', spec({ image: 'a:1' }), spec({ image: 'a:2' }), ['restart', 'switchover']],
    ['no image any more', spec({ image: 'a:1' }), spec(), ['restart', 'switchover']],
    ['the name of the version that it has', spec(), spec({ version: 15 }), ['nothing']],
    ['a larger plan', spec(), spec({}, { plan: 'large' }), ['reload', 'restart', 'switchover']],
  ];
  for (const [what, before, after, kinds] of cases) {
    it(`says ${kinds.join(', ')} for ${what}`, () => {
      expect(planEffects(before, after, defaultCatalog).map(({ kind }) => kind)).to.deep.equal(kinds);
    });
  }

  it('names the parameters that a restart is for', () => {
    const effects = planEffects(spec(), spec({ postgresql: { max_connections: 9, work_mem: '8MB' } }), defaultCatalog);
    expect(effects[1]?.text).to.equal('restart the nodes one after the other, the leader last, for max_connections');
  });

  it('names the nodes that are replaced because their cells run no containers, and restarts the others', () => {
    const cell = (id: string, images: boolean) => ({ node_id: `f1-${id}`, backend_id: id, cell: { images } as never });
    const present = { nodes: [cell('a', true), cell('b', false), cell('c', true)], leader: 'f1-a' };
    const effects = planEffects(spec(), spec({ image: 'patroni:15' }), defaultCatalog, present);
    expect(effects.map(({ kind, text }) => `${kind}: ${text}`)).to.deep.equal([
      'replace: replace f1-b, because b cannot run image patroni:15: add a node elsewhere, and remove it',
      'restart: restart replica f1-c on c for image patroni:15, and wait until it streams again',
      'switchover: switch over from f1-a to one of the replicas',
      'restart: restart the old leader f1-a on a for image patroni:15, and wait until it streams again',
    ]);
    const all = { nodes: [cell('a', false)], leader: 'f1-a' };
    const moved = planEffects(spec(), spec({ image: 'patroni:15' }), defaultCatalog, all);
    expect(moved.map(({ text }) => text)).to.deep.equal([
      'replace f1-a, because a cannot run image patroni:15: add a node elsewhere, switch over, and remove it',
    ]);
  });

  it('promises no switchover to an instance of one node', () => {
    const one = { 'node-count': 1 };
    const effects = planEffects(spec(one), spec({ ...one, postgresql: { max_connections: 9 } }), defaultCatalog);
    expect(effects.map(({ kind }) => kind)).to.deep.equal(['reload', 'restart', 'restart']);
  });
});
