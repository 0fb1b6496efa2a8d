import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect } from 'chai';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { pgherd, type TestWorld, testWorld } from '../fixtures/world.ts';

const document = '/serviceinstances/example';
const state = '/service/example/state';

describe('commands that change one instance', () => {
  let world: TestWorld;
  let dir: string;
  const text = (key: string) => world.keyspace.get(key)?.value;
  const put = (key: string, value: unknown) =>
    world.keyspace.txn({
      if: [],
      then: [{ type: 'put', key, value: typeof value === 'string' ? value : JSON.stringify(value) }],
    });
  const setState = (more: object) => put(state, { ...JSON.parse(text(state) ?? ''), ...more });
  const deleted = (more: object = {}) => {
    world.keyspace.txn({ if: [], then: [{ type: 'delete', key: document }] });
    setState({ deleted: { since: '2026-01-01T12:00:00Z', erase_at: '2026-01-02T12:00:00Z' }, ...more });
  };

  beforeEach(() => {
    world = testWorld();
    writeMixedHerd(world.keyspace);
    dir = mkdtempSync(join(tmpdir(), 'pgherd-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('undelete puts the last accepted document back', async () => {
    deleted();
    expect((await pgherd(world, 'undelete example')).out).to.equal('example is being restored on port 30000\n');
    expect(text(document)).to.include('node-count: 3');
  });

  it('undelete refuses what is not deleted, and what is being erased', async () => {
    expect((await pgherd(world, 'undelete example')).err).to.include('is not deleted');
    deleted({ deleting: true });
    expect((await pgherd(world, 'undelete example')).err).to.include('are being erased already');
    expect((await pgherd(world, 'undelete exmaple')).err).to.include('no instance "exmaple"');
  });

  it('purge orders the data to be erased; it asks on a terminal and refuses what is there', async () => {
    expect((await pgherd(world, 'purge example')).err).to.include('is not deleted');
    deleted();
    expect((await pgherd(world, 'purge example')).out).to.equal('example is being erased\n');
    expect(text(`${document}/deletion`)).to.equal('{"confirmed":true,"purge":true}');
    world = testWorld({ isTTY: true, stdin: 'no\n' });
    writeMixedHerd(world.keyspace);
    deleted();
    expect((await pgherd(world, 'purge example')).err).to.include('nothing was erased');
    expect(text(`${document}/deletion`)).to.equal(undefined);
  });

  it('confirm-deletions confirms those that are held and no other', async () => {
    expect((await pgherd(world, 'confirm-deletions')).out).to.equal('no deletion is held\n');
    deleted({ deleted: undefined, deletion_held: true });
    expect((await pgherd(world, 'confirm-deletions --yes')).out).to.equal('example confirmed\n');
    expect(text(`${document}/deletion`)).to.equal('{"confirmed":true}');
  });

  it('hibernate and wake change one field and keep comments', async () => {
    put(document, '# the shop\nplan: standard # small is not enough\n');
    await pgherd(world, 'hibernate example');
    expect(text(document)).to.equal('# the shop\nplan: standard # small is not enough\nhibernated: true\n');
    expect((await pgherd(world, 'hibernate example')).out).to.equal('example unchanged\n');
    await pgherd(world, 'wake example');
    expect(text(document)).to.equal('# the shop\nplan: standard # small is not enough\n');
  });

  it('fence and unfence mark a node, and name the nearest one', async () => {
    const key = `${document}/nodes/example-bbbbbb/fenced`;
    expect((await pgherd(world, 'fence example-bbbbbb')).code).to.equal(0);
    expect(text(key)).to.equal('fenced');
    expect((await pgherd(world, 'unfence example-bbbbbb')).out).to.equal('example-bbbbbb starts again\n');
    expect(text(key)).to.equal(undefined);
    expect((await pgherd(world, 'fence example-bbbbb')).err).to.include('Did you mean example-bbbbbb?');
  });

  it('rollback puts the last document back that was true, or says that there is none', async () => {
    expect((await pgherd(world, 'rollback example')).err).to.include('nothing to roll back');
    setState({ rolled_out: { ...JSON.parse(text(state) ?? '').accepted, node_count: 2 } });
    expect((await pgherd(world, 'rollback example --dry-run')).out).to.include('node-count: 2');
    expect(text(document)).to.equal('plan: standard');
    expect((await pgherd(world, 'rollback example')).out).to.equal('example is rolled back\n');
    expect(text(document)).to.include('node-count: 2');
    expect((await pgherd(world, 'rollback example')).err).to.include('has not looked at');
  });

  describe('edit', () => {
    const editor = (script: string) => {
      const file = join(dir, 'editor.sh');
      writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      world = testWorld({ env: { EDITOR: file } });
      writeMixedHerd(world.keyspace);
    };

    it('writes what the editor leaves', async () => {
      editor('echo "plan: small" > "$1"');
      expect((await pgherd(world, 'edit example')).out).to.equal('example configured\n');
      expect(text(document)).to.equal('plan: small\n');
    });

    it('writes nothing that would be refused, and says where the text is', async () => {
      editor('echo "plan: huge" > "$1"');
      const { err } = await pgherd(world, 'edit example');
      expect(err).to.include('plan is "huge"');
      const file = /your text is in (\S+)/.exec(err)?.[1] as string;
      expect(readFileSync(file, 'utf8')).to.equal('plan: huge\n');
      rmSync(join(file, '..'), { recursive: true });
      expect(text(document)).to.equal('plan: standard');
    });

    it('shows both when somebody else changed it meanwhile, and loses neither', async () => {
      editor('echo "plan: small" > "$1"');
      const { connect } = world;
      const slow: TestWorld = {
        ...world,
        connect: (options) => {
          const store = connect(options);
          const get = store.get.bind(store);
          // The catalog is read between the editor and the writing.
          store.get = async (...args) => {
            put(document, 'plan: large');
            return get(...args);
          };
          return store;
        },
      };
      const { code, err } = await pgherd(slow, 'edit example');
      expect(code).to.equal(1);
      expect(err).to.include('--- theirs\nplan: large--- yours\nplan: small\n').and.include('somebody else changed');
      const file = /yours is in (\S+)/.exec(err)?.[1] as string;
      rmSync(join(file, '..'), { recursive: true });
      expect(text(document)).to.equal('plan: large');
    });
  });

  it('report writes all that is known, and no password', async () => {
    put(`${document}/credentials`, { admin_credentials: { username: 'pgadmin', password: 'H'.repeat(16) } });
    put(document, 'plan: standard # postgres://postgres:HHHHHHHHHHHHHHHH@10.0.0.9/x');
    const file = join(dir, 'report.gz');
    const { out } = await pgherd(world, `report example -o ${file}`);
    expect(out).to.match(/\d+ keys, without passwords/);
    const bundle = gunzipSync(readFileSync(file)).toString();
    expect(bundle).to.include('/cells/observed/cell-1/example-aaaaaa').and.include('LeaderChanged');
    expect(bundle).to.not.include('HHHHHHHH').and.not.include('hollow');
    expect((await pgherd(world, `report example -o ${file}`)).err).to.include(`cannot write ${file}`);
  });
});
