import { expect } from 'chai';
import { leftovers, makeSureNothingIsLeft, type Run } from '../../../../src/cell/runtime/process/proof.ts';
import { FakeClock } from '../../../fixtures/fake-clock.ts';
import { type FakeProcess, FakeProcessTable } from '../../../fixtures/fake-process-table.ts';

const config = '/data/nodes/a/patroni.json';
const run: Run = { bootId: 'boot-1', init: { pid: 100, startTime: '5000' }, namespace: 'pid:[7]' };
const init: FakeProcess = { start: '5000', namespace: 'pid:[7]', inner: 1, words: ['python3', 'patroni', config] };
const postgres: FakeProcess = { start: '5100', namespace: 'pid:[7]', inner: 28, words: ['postgres'] };
const wrapper: FakeProcess = { start: '4999', namespace: 'pid:[1]', words: ['unshare', '--pid', 'patroni', config] };

describe('leftovers()', () => {
  const cases: [string, Record<number, FakeProcess>, number[]][] = [
    ['finds nothing when nothing is left', {}, []],
    ['finds the whole of a living run', { 99: wrapper, 100: init, 101: postgres }, [99, 100, 101]],
    ['finds PostgreSQL when Patroni is gone already', { 101: postgres }, [101]],
    ['takes a later process of the same pid for another', { 100: { start: '9000', namespace: 'pid:[1]' } }, []],
    [
      'takes a namespace that got the same number later for another',
      { 200: { start: '9000', namespace: 'pid:[7]', inner: 1 }, 201: { ...postgres, start: '9001' } },
      [],
    ],
    ['finds a run that was never recorded by its configuration', { 300: { ...init, namespace: 'pid:[8]' } }, [300]],
    ['finds a wrapper that has not yet made its namespace', { 99: wrapper }, [99]],
    [
      'leaves alone who reads the configuration or runs patronictl with it',
      { 400: { start: '1', namespace: 'pid:[1]', words: ['patronictl', '-c', config, 'list'] } },
      [],
    ],
    ['leaves other nodes alone', { 500: { ...init, namespace: 'pid:[9]', words: ['patroni', '/data/nodes/b'] } }, []],
  ];
  for (const [what, processes, expected] of cases) {
    it(what, () => {
      const left = leftovers(run, config, new FakeProcessTable(processes));
      expect(left.map(({ pid }) => pid).toSorted((a, b) => a - b)).to.deep.equal(expected);
    });
  }

  it('finds nothing of a run before the last boot, whoever has its numbers now', () => {
    const table = new FakeProcessTable({ 100: { ...init, words: [] }, 101: postgres });
    table.boot = 'boot-2';
    expect(leftovers(run, config, table)).to.deep.equal([]);
  });
});

describe('makeSureNothingIsLeft()', () => {
  it('kills what is left and resolves only when it is gone', async () => {
    const clock = new FakeClock();
    const table = new FakeProcessTable({ 101: postgres });
    let isProved = false;
    const proving = makeSureNothingIsLeft(run, config, { table, clock, patienceMs: 1000 }).then(() => {
      isProved = true;
    });
    await clock.advance(200);
    expect(isProved).to.equal(false);
    expect(table.killed[0]).to.deep.equal({ pid: 101, startTime: '5100' });
    table.end(101);
    await clock.advance(20);
    await proving;
  });

  it('rejects when a process does not end, so that nothing is released', async () => {
    const clock = new FakeClock();
    const table = new FakeProcessTable({ 101: postgres });
    const failure = makeSureNothingIsLeft(run, config, { table, clock, patienceMs: 1000 }).catch((error) => error);
    await clock.advance(1100);
    expect((await failure).message).to.equal('processes 101 do not end although they were killed');
  });
});
