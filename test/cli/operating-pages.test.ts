import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';

const docs = new URL('../../../docs/operating/', import.meta.url);
const tests = new URL('../../../test/', import.meta.url);

describe('docs/operating', () => {
  it('has no page whose commands no test runs on real servers', () => {
    const sources = readdirSync(tests, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.real.ts'))
      .map((file) => readFileSync(new URL(file, tests), 'utf8'))
      .join('\n');
    const isRun = (page: string) => sources.includes(`new OperatingPage(herd, '${page}'`);
    expect(readdirSync(docs).filter((page) => !isRun(page))).to.deep.equal([]);
  });
});
