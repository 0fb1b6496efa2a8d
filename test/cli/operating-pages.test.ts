import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { runProgram } from '../../src/cli/program.ts';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { testWorld } from '../fixtures/world.ts';

const docs = new URL('../../../docs/operating/', import.meta.url);
const pages = ['lost-cell.md', 'drain.md', 'replica-repair.md'];

/** The words of a command line as a shell would split it; enough for what pages say. */
const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

describe('docs/operating', () => {
  it('has the pages', () => {
    expect(readdirSync(docs)).to.include.members(pages);
  });

  for (const page of pages) {
    const lines = readFileSync(new URL(page, docs), 'utf8').split('\n');
    for (const line of lines.filter((each) => each.startsWith('$ pgherd '))) {
      it(`${page}: ${line.slice(2)}`, async () => {
        const world = testWorld();
        writeMixedHerd(world.keyspace);
        // Commands that wait for a controller are left to the real tests.
        const interrupting = setTimeout(() => world.interrupt(), 120);
        const code = await runProgram(['--etcd', 'memory', ...wordsOf(line.slice('$ pgherd '.length))], world);
        clearTimeout(interrupting);
        expect(code, world.printed.err).to.be.oneOf([0, 130]);
      });
    }
  }
});
