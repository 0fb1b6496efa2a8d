import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const deploy = fileURLToPath(new URL('../../../deploy/prometheus', import.meta.url));
const runbooks = fileURLToPath(new URL('../../../docs/runbooks', import.meta.url));

function promtool(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: deploy, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe('deploy/prometheus', () => {
  const rules = readFileSync(join(deploy, 'rules/pgherd-alerts.yml'), 'utf8');
  const alerts = [...rules.matchAll(/^ {6}- alert: (\S+)$/gm)].map(([, name]) => name as string);

  it('promtool understands the configuration and the rules', () => {
    const checked = promtool('check', 'config', 'prometheus.yml');
    expect(checked.status, checked.output).to.equal(0);
    const files = readdirSync(join(deploy, 'rules')).map((name) => join('rules', name));
    const lint = promtool('check', 'rules', '--lint=all', '--lint-fatal', ...files);
    expect(lint.status, lint.output).to.equal(0);
  });

  it('every alert fires when it should, and not before', () => {
    const tested = promtool('test', 'rules', 'alerts.test.yml');
    expect(tested.status, tested.output).to.equal(0);
  });

  it('every alert has a test, and a runbook with what it means, how to look, and what to do', () => {
    expect(alerts.length).to.be.greaterThan(20);
    const tests = readFileSync(join(deploy, 'alerts.test.yml'), 'utf8');
    const pages = readdirSync(runbooks).filter((name) => name !== 'README.md');
    expect(pages).to.have.members(alerts.map((name) => `${name}.md`));
    const index = readFileSync(join(runbooks, 'README.md'), 'utf8');
    for (const name of alerts) {
      expect(tests).to.include(`- alertname: ${name}\n`);
      expect(index).to.include(`(${name}.md)`);
      const headings = readFileSync(join(runbooks, `${name}.md`), 'utf8').match(/^##? .*$/gm);
      expect(headings).to.deep.equal([`# ${name}`, '## What it means', '## How to look', '## What to do']);
    }
  });
});
