import { expect } from 'chai';
import { Published, spanOf } from '../../src/store/published.ts';
import type { KeyValue, Lease } from '../../src/store/store.ts';

const lease = { id: 7n } as Lease;
const pair = (key: string, value: string, revision: bigint, leaseId = 7n): KeyValue => {
  return { key, value, leaseId, createRevision: revision, modRevision: revision };
};
const put = (key: string, value: string) => ({ type: 'put', key, value, leaseId: 7n }) as const;

describe('Published', () => {
  it('writes what is absent, other, or on another lease, and leaves alone what is right', () => {
    const wanted = new Map([...'abcd'].map((key) => [key, '1'] as const));
    const published = new Published(wanted);
    published.saw('a', undefined, 9n);
    published.saw('b', pair('b', '1', 5n), 9n);
    published.saw('c', pair('c', '1', 5n, 8n), 9n);
    published.saw('d', pair('d', '2', 5n), 9n);
    expect(published.missing(lease)).to.deep.equal([put('a', '1'), put('c', '1'), put('d', '1')]);
  });

  it('deletes what is to be taken away, unless it is known to be absent', () => {
    const wanted = new Map([...'abc'].map((key) => [key, undefined] as const));
    const published = new Published(wanted);
    published.saw('a', pair('a', '1', 5n), 9n);
    published.saw('b', undefined, 9n);
    expect(published.missing(lease)).to.deep.equal([
      { type: 'delete', key: 'a' },
      { type: 'delete', key: 'c' },
    ]);
  });

  it('does not take the echo of an older write of its own for a change', () => {
    const wanted = new Map([['a', '2']]);
    const published = new Published(wanted);
    published.wrote([put('a', '1')], 10n);
    published.wrote([put('a', '2')], 11n);
    expect(published.changed({ type: 'put', kv: pair('a', '1', 10n) }, lease)).to.equal(false);
    expect(published.missing(lease)).to.deep.equal([]);
  });

  it('notices who overwrites and who deletes, and nothing of keys that are not its own', () => {
    const published = new Published(new Map([['a', '1']]));
    published.wrote([put('a', '1')], 10n);
    expect(published.changed({ type: 'put', kv: pair('b', '1', 11n) }, lease)).to.equal(false);
    expect(published.changed({ type: 'put', kv: pair('a', '2', 12n) }, lease)).to.equal(true);
    published.wrote([put('a', '1')], 13n);
    expect(published.changed({ type: 'delete', key: 'a', modRevision: 14n }, lease)).to.equal(true);
    expect(published.missing(lease)).to.deep.equal([put('a', '1')]);
  });
});

describe('spanOf()', () => {
  it('is no wider than its keys', () => {
    expect(spanOf(['/b', '/a'])).to.deep.equal({ start: '/a', end: '/b\0' });
    expect(spanOf([])).to.equal(undefined);
  });
});
