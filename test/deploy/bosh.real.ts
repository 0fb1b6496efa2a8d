import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { Command } from '../fixtures/command.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const release = join(root, 'deploy/bosh');
const jobs = readdirSync(join(release, 'jobs'));

const variables = {
  etcd_endpoints: ['https://10.0.0.5:2379', "https://it's-odd:2379"],
  etcd_ca: 'CA',
  etcd_certificate: 'CERTIFICATE',
  etcd_private_key: 'KEY',
};

/** Every job of a manifest with its rendered files. */
function render(manifest: string): Record<string, Record<string, string>> {
  const renderer = join(root, 'test/fixtures/bosh-render.rb');
  const { status, stdout, stderr } = spawnSync(
    'ruby',
    [renderer, release, join(release, 'manifests', manifest), JSON.stringify(variables)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, Record<string, string>>;
}

describe('deploy/bosh', () => {
  it('has for each job a monit file, and templates and packages that exist', () => {
    expect(jobs).to.have.members(['cell', 'controller', 'kv', 'router']);
    for (const job of jobs) {
      const spec = parse(readFileSync(join(release, 'jobs', job, 'spec'), 'utf8')) as Spec;
      expect(spec.name).to.equal(job);
      expect(Object.keys(spec.templates)).to.have.members(readdirSync(join(release, 'jobs', job, 'templates')));
      for (const name of spec.packages) expect(existsSync(join(release, 'packages', name, 'packaging'))).to.equal(true);
      expect(Object.values(spec.templates)).to.include.members(['bin/ctl', 'bin/pre-start', 'bin/drain']);
    }
  });

  for (const manifest of readdirSync(join(release, 'manifests'))) {
    describe(manifest, () => {
      let rendered: ReturnType<typeof render>;
      before(() => {
        rendered = render(manifest);
      });

      it('renders every job into scripts that the shell understands, and a process that monit watches', () => {
        for (const [job, files] of Object.entries(rendered)) {
          for (const [path, text] of Object.entries(files)) {
            if (!path.startsWith('bin/') && path !== 'config/env') continue;
            const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
            expect(status, `${job} ${path}: ${stderr}`).to.equal(0);
          }
          const name = job.split('/')[1] as string;
          expect(files['monit']).to.match(new RegExp(`^check process ${name}\n`));
          expect(files['monit']).to.not.include('<%');
        }
      });

      it('gives the daemons only variables that they know, with values that survive the shell', async () => {
        for (const [job, files] of Object.entries(rendered)) {
          const script = `${files['config/env']}\nenv`;
          const { stdout } = spawnSync('bash', ['-eu'], {
            input: script,
            env: { PATH: '/usr/bin:/bin' },
            encoding: 'utf8',
          });
          const given = [...stdout.matchAll(/^(PGHERD_[A-Z_]+)=/gm)].map(([, name]) => name as string);
          expect(given.length, job).to.be.greaterThan(3);
          const help = (await new Command([job.split('/')[1] as string, '--help']).ended).out.replaceAll(/\s+/g, ' ');
          expect(
            given.filter((name) => !help.includes(`env: ${name}`)),
            job,
          ).to.deep.equal([]);
        }
      });
    });
  }

  it('drains the cell before its machine is touched, says 0 then, and fails when nodes are left', () => {
    const drain = render('pgherd.yml')['cell/cell']?.['bin/drain'] ?? '';
    const env = render('pgherd.yml')['cell/cell']?.['config/env'] ?? '';
    const dir = mkdtempSync(join(tmpdir(), 'pgherd-bosh-'));
    const vcap = join(dir, 'vcap');
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(vcap, path)), { recursive: true });
      writeFileSync(join(vcap, path), text.replaceAll('/var/vcap', vcap));
      chmodSync(join(vcap, path), 0o755);
    };
    try {
      write('jobs/cell/config/env', env);
      write('jobs/cell/bin/drain', drain);
      write('sys/log/cell/drain.log', '');
      const node = 'packages/node-20/bin/node';
      write(node, `#!/bin/sh\necho "$@ on $PGHERD_ETCD" >>${vcap}/told\n`);
      const run = () => spawnSync(join(vcap, 'jobs/cell/bin/drain'), { encoding: 'utf8' });
      expect(run()).to.include({ status: 0, stdout: '0\n' });
      const told = readFileSync(join(vcap, 'told'), 'utf8');
      expect(told).to.match(
        / drain cell-6f1c --deadline 2h --reason bosh changes this machine on https:\/\/10\.0\.0\.5:2379,https:\/\/it's-odd:2379\n$/,
      );
      write(node, '#!/bin/sh\nexit 1\n');
      expect(run()).to.include({ status: 1, stdout: '' });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

interface Spec {
  readonly name: string;
  readonly templates: Readonly<Record<string, string>>;
  readonly packages: readonly string[];
}
