import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { runProgram } from '../../src/cli/program.ts';
import { writeMixedHerd } from '../fixtures/herd.ts';
import { wordsOf } from '../fixtures/operating-page.ts';
import { testWorld } from '../fixtures/world.ts';

const docs = new URL('../../../docs/operating/', import.meta.url);
const tests = new URL('../../../test/', import.meta.url);
/** Pages that are run here, on keys alone; all others are run on real servers. */
const pages: readonly string[] = [];

describe('docs/operating', () => {
  it('has no page whose commands no test runs', () => {
    const sources = readdirSync(tests, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.real.ts'))
      .map((file) => readFileSync(new URL(file, tests), 'utf8'))
      .join('\n');
    const isRun = (page: string) => pages.includes(page) || sources.includes(`new OperatingPage(herd, '${page}'`);
    expect(readdirSync(docs).filter((page) => !isRun(page))).to.deep.equal([]);
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
