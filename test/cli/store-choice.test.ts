import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { storeOf } from '../../src/cli/up/store-choice.ts';

describe('storeOf()', () => {
  const older = { etcd: { client: 1, peer: 2 }, example: true };
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pgherd-store-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('gives a new herd the embedded store, unless another was asked for', () => {
    expect(storeOf(dir, undefined, undefined)).to.equal('embedded');
    expect(storeOf(dir, undefined, 'etcd')).to.equal('etcd');
  });

  it('leaves a herd where its keys are', () => {
    expect(storeOf(dir, older, undefined)).to.equal('etcd');
    expect(storeOf(dir, { ...older, store: 'embedded' }, undefined)).to.equal('embedded');
    mkdirSync(join(dir, 'etcd'));
    expect(storeOf(dir, undefined, undefined)).to.equal('etcd');
  });

  it('refuses to look for keys where they are not', () => {
    expect(() => storeOf(dir, older, 'embedded')).to.throw('kept by --store etcd: leave --store out');
    expect(storeOf(dir, older, 'etcd')).to.equal('etcd');
  });
});
