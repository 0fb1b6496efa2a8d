import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, testWorld } from '../fixtures/world.ts';

describe('pgherd apply', () => {
  it('creates, changes and leaves alone the instances of a file, without their ids', async () => {
    const source = 'id: f1\nplan: small # why\n---\nid: f2\nplan: standard\n';
    const world = testWorld({ stdin: source });
    const first = await pgherd(world, 'apply -f -');
    expect(first.code).to.equal(0);
    expect(first.out).to.match(/^f1 created.*\nf2 created.*\n$/);
    expect(world.keyspace.get('/serviceinstances/f1')?.value).to.equal('plan: small # why\n');

    const again = testWorld({ stdin: source.replace('standard', 'small') });
    again.keyspace.txn({ if: [], then: [{ type: 'put', key: '/serviceinstances/f1', value: 'plan: small # why\n' }] });
    again.keyspace.txn({ if: [], then: [{ type: 'put', key: '/serviceinstances/f2', value: 'plan: standard\n' }] });
    const second = await pgherd(again, 'apply -f -');
    expect(second.out).to.match(/^f1 unchanged\nf2 configured.*\n$/);
  });

  it('writes nothing at all when one of several documents is refused, and names file, instance and field', async () => {
    const world = testWorld({ stdin: 'id: f1\nplan: small\n---\nid: f2\nplan: huge\n' });
    const { code, err } = await pgherd(world, 'apply -f -');
    expect(code).to.equal(1);
    expect(err).to.include('nothing was applied').and.include('standard input: f2: plan is "huge"');
    expect(world.keyspace.revision).to.equal(1n);
  });

  it('writes none of the documents when one asks for another major version than its data are of', async () => {
    const world = testWorld({
      stdin: 'id: f9\nplan: small\n---\nid: example\nplan: standard\nparameters: {version: 16}\n',
    });
    writeMixedHerd(world.keyspace);
    const key = '/service/example/state';
    const state = JSON.parse(world.keyspace.get(key)?.value ?? '');
    const value = JSON.stringify({ ...state, postgresql_version: '15' });
    world.keyspace.txn({ if: [], then: [{ type: 'put', key, value }] });
    const { code, err } = await pgherd(world, 'apply -f -');
    expect(code).to.equal(1);
    expect(err).to.include('nothing was applied: standard input: example: parameters.version is 16, but the data');
    expect(world.keyspace.get('/serviceinstances/f9')).to.equal(undefined);
  });

  it('writes nothing with --dry-run', async () => {
    const world = testWorld({ stdin: 'plan: small' });
    const { code, out } = await pgherd(world, 'apply --id f1 -f - --dry-run');
    expect(code).to.equal(0);
    expect(out).to.match(/^f1 would be created\n {2}create: create 1 node of plan small/);
    expect(world.keyspace.revision).to.equal(1n);
  });

  it('refuses an instance that two files describe, and a file that is not there', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pgherd-apply-'));
    try {
      for (const name of ['a', 'b']) writeFileSync(join(directory, name), 'id: f1\nplan: small\n');
      const twice = await pgherd(testWorld(), `apply -f ${directory}/a -f ${directory}/b`);
      expect(twice.err).to.include(`${directory}/b: id f1 occurs in ${directory}/a already`);
      const missing = await pgherd(testWorld(), `apply -f ${directory}/c`);
      expect(missing.err).to.include(`cannot read ${directory}/c: ENOENT`);
      expect(missing.code).to.equal(1);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  const bad: [name: string, source: string, ...words: string[]][] = [
    ['what is not YAML', '{a: [', 'not YAML'],
    ['YAML that is not a mapping', '- plan', 'a mapping of fields is expected'],
    ['wrong types', 'plan: small\npaused: 3', 'paused is 3'],
    ['10^9 nodes', 'plan: small\nparameters: {node-count: 1000000000}', 'from 1 to 16'],
    ['a document of 2 MB', `plan: ${'x'.repeat(2_000_000)}`, 'at most 262144'],
  ];
  for (const [name, source, ...words] of bad) {
    it(`refuses ${name} in one line`, async () => {
      const { code, err } = await pgherd(testWorld({ stdin: source }), 'apply --id f1 -f -');
      expect(code).to.equal(1);
      for (const word of words) expect(err).to.include(word);
      expect(err.trimEnd().split('\n')).to.have.length(1);
    });
  }
});
