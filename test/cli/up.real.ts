import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { expect } from 'chai';
import { Command, run } from '../fixtures/command.ts';
import { until } from '../fixtures/until.ts';

/** Pids of all processes that have `words` in their command line. */
async function processesWith(words: string): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (commandLine.includes(words)) found.push(Number(pid));
  }
  return found;
}

describe('pgherd up', () => {
  let dataDir: string;
  let args: string[];
  let herd: Command | undefined;

  before(async () => {
    // Not below TMPDIR, which may be closed to the user that databases run as.
    dataDir = await mkdtemp('/tmp/pgherd-up-');
    await chmod(dataDir, 0o755);
    args = ['up', '--data-dir', dataDir, '--ports', '28100-28109'];
  });
  after(async () => {
    herd?.process.kill('SIGKILL');
    await nothingRuns();
    await rm(dataDir, { recursive: true, force: true });
  });

  const nothingRuns = () =>
    until('no process of the herd is left', async () => (await processesWith(dataDir)).length === 0, {
      withinMs: 60_000,
      everyMs: 200,
    });
  const pasted = (printed: string): string => /psql "(.*)"/.exec(printed)?.[1] ?? 'no psql line';
  const psql = (uri: string, sql: string): string =>
    execFileSync('psql', [uri, '-Atqc', sql], { encoding: 'utf8', stdio: 'pipe' }).trim();
  const pidOf = (component: string): number =>
    Number(new RegExp(`^${component} +(\\d+)`, 'm').exec(herd?.printed ?? '')?.[1]);

  it('starts everything, makes an example, and prints a table and a psql line that works', async () => {
    herd = new Command(args);
    await herd.prints('Events follow');
    expect(herd.printed).to.match(/COMPONENT +PID +ADDRESS +METRICS/);
    for (const component of ['kv', 'controller', 'cell-1', 'cell-2', 'cell-3', 'router']) {
      expect(pidOf(component), component).to.be.above(0);
    }
    expect(psql(pasted(herd.printed), 'create table t (x int); insert into t values (42) returning x')).to.equal('42');
    for (const [, url] of herd.printed.matchAll(/(http:\S+\/metrics)/g)) {
      expect(await (await fetch(url as string)).text()).to.include('# TYPE');
    }
  });

  it('keeps no password in the arguments of any process', async () => {
    const password = new URL(pasted(herd?.printed ?? '')).password;
    expect(await processesWith(password)).to.deep.equal([]);
  });

  it('refuses a second herd on the same directory', async () => {
    const { code, err } = await run(args.join(' '));
    expect(code).to.equal(1);
    expect(err).to.include('another `pgherd up` runs on').and.include('--data-dir');
  });

  it('starts a part again that was killed', async () => {
    process.kill(pidOf('controller'), 'SIGKILL');
    await herd?.prints('controller was ended by SIGKILL; starting it again');
  });

  it('stops everything in order on Ctrl-C, and leaves no process', async () => {
    herd?.process.kill('SIGINT');
    const ended = await herd?.ended;
    expect(ended?.code).to.equal(0);
    expect(ended?.err).to.match(
      /stopping router\nstopping cell-1, cell-2, cell-3\nstopping controller\nstopping kv\n$/,
    );
    expect(await processesWith(dataDir)).to.deep.equal([]);
  });

  it('continues with the data that were there, without a second example', async () => {
    herd = new Command(args);
    await herd.prints('Events follow');
    expect(herd.printed).not.to.include('creating instance');
    expect(psql(pasted(herd.printed), 'select x from t')).to.equal('42');
  });

  it('takes everything with it when it is killed itself', async () => {
    herd?.process.kill('SIGKILL');
    await nothingRuns();
  });
});
