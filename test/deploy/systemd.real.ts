import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { Command } from '../fixtures/command.ts';
import { until } from '../fixtures/until.ts';

const source = fileURLToPath(new URL('../../../deploy/systemd', import.meta.url));
const files = readdirSync(source);
const units = files.filter((name) => name.endsWith('.service'));

/** How exposed `systemd-analyze security` may find a unit, in tenths; cells make namespaces and change users. */
const mostExposed: Readonly<Record<string, number>> = {
  'pgherd-cell.service': 55,
  'pgherd-controller.service': 20,
  'pgherd-kv.service': 20,
  'pgherd-router.service': 20,
};

function run(program: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

describe('deploy/systemd', () => {
  let root: string;

  /** The tree of a machine on which pgherd is installed. */
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'pgherd-root-'));
    for (const dir of ['etc/systemd/system', 'usr/lib/systemd', 'opt/pgherd/bin', 'var/lib']) {
      mkdirSync(join(root, dir), { recursive: true });
    }
    cpSync('/lib/systemd/system', join(root, 'usr/lib/systemd/system'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(root, 'opt/pgherd/bin/pgherd'), '#!/bin/sh\n');
    chmodSync(join(root, 'opt/pgherd/bin/pgherd'), 0o755);
    writeFileSync(
      join(root, 'etc/passwd'),
      'root:x:0:0::/root:/bin/sh\npgherd:x:990:990::/var/lib/pgherd:/bin/false\n',
    );
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\npgherd:x:990:\n');
    for (const unit of units) cpSync(join(source, unit), join(root, 'etc/systemd/system', unit));
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  it('has a unit for each role', () => {
    expect(units).to.have.members(Object.keys(mostExposed));
  });

  for (const unit of units) {
    it(`${unit} is understood by systemd, and no more exposed than it must be`, () => {
      const at = join('/etc/systemd/system', unit);
      const verified = run('systemd-analyze', 'verify', '--man=no', `--root=${root}`, at);
      expect(verified).to.deep.equal({ status: 0, output: '' });
      const threshold = `--threshold=${mostExposed[unit]}`;
      const judged = run('systemd-analyze', 'security', '--offline=yes', threshold, `--root=${root}`, unit);
      expect(judged.status, judged.output).to.equal(0);
    });
  }

  it('makes the user and the directories, those of cells open to the user of the databases', () => {
    const users = run('systemd-sysusers', '--dry-run', join(source, 'pgherd.sysusers'));
    expect(users.status, users.output).to.equal(0);
    const directories = run('systemd-tmpfiles', '--create', `--root=${root}`, join(source, 'pgherd.tmpfiles'));
    expect(directories, directories.output).to.deep.equal({ status: 0, output: '' });
    expect(readdirSync(join(root, 'var/lib/pgherd'))).to.have.members(['cell', 'kv', 'router']);
  });

  for (const role of ['controller', 'cell', 'router']) {
    it(`sets only variables that \`pgherd ${role}\` knows`, async () => {
      const { out } = await new Command([role, '--help']).ended;
      const help = out.replaceAll(/\s+/g, ' ');
      const text = ['pgherd.env', `${role}.env`, `pgherd-${role}.service`]
        .map((name) => readFileSync(join(source, name), 'utf8'))
        .join('\n');
      const set = [...text.matchAll(/^#?(?:Environment=)?(PGHERD_[A-Z_]+)=/gm)].map(([, name]) => name as string);
      expect(set).to.not.be.empty;
      // The password is in no help text, so that nobody looks for an option.
      expect(set.filter((name) => !help.includes(`env: ${name}`))).to.deep.equal([]);
    });
  }

  it('daemons tell systemd that they are up, that they live, and that they stop', async () => {
    const socket = join(root, 'notify');
    const listen = [
      'import socket, sys',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      's.bind(sys.argv[1])',
      'print("listening", flush=True)',
      'while True: print(s.recv(4096).decode(), flush=True)',
    ].join('\n');
    const listener = spawn('/usr/bin/python3', ['-c', listen, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told: string[] = [];
    listener.stdout.setEncoding('utf8').on('data', (text: string) => told.push(...text.trim().split('\n')));
    const daemon = new Command(['controller', '--etcd', 'http://127.0.0.1:1', '--metrics', '127.0.0.1:0'], {
      env: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '300000' },
    });
    try {
      await until('the listener listens', () => told.includes('listening'));
      await until('the daemon feeds the watchdog', () => told.filter((line) => line === 'WATCHDOG=1').length > 2);
      daemon.process.kill('SIGTERM');
      await daemon.ended;
      await until('the daemon said that it stops', () => told.includes('STOPPING=1'));
      expect(told.indexOf('READY=1')).to.be.within(1, told.indexOf('WATCHDOG=1') - 1);
    } finally {
      daemon.process.kill('SIGKILL');
      listener.kill('SIGKILL');
      if (listener.exitCode === null && listener.signalCode === null) await once(listener, 'exit');
    }
  });
});
