import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Etcd3 } from 'etcd3';
import { type Certificates, makeCertificates } from '../fixtures/certificates.ts';
import { Command, run } from '../fixtures/command.ts';
import { type EtcdProcess, startEtcd } from '../fixtures/etcd.ts';
import { randomLoopback } from '../fixtures/free-port.ts';

describe('pgherd as a process', () => {
  let etcd: EtcdProcess;
  let env: Record<string, string>;
  before(async () => {
    etcd = await startEtcd();
    env = { PGHERD_ETCD: etcd.endpoint };
  });
  after(() => etcd.stop());

  it('applies several documents from standard input and shows them', async () => {
    const stdin = 'id: f1\nplan: small\n---\nid: f2\nplan: standard\n';
    expect(await run('apply -f -', { env, stdin })).to.include({ code: 0, err: '' });
    const { out } = await run('get instances -o name', { env });
    expect(out).to.equal('f1\nf2\n');
  });

  it('ends with 1 and one line when the input is not YAML', async () => {
    const { code, out, err } = await run('apply -f -', { env, stdin: 'id: f3\nplan: [' });
    expect([code, out]).to.deep.equal([1, '']);
    expect(err).to.match(/^pgherd: standard input: not YAML: .*\n$/);
  });

  it('ends with 2 and both ways out when no etcd is named', async () => {
    const { code, err } = await run('get cells');
    expect(code).to.equal(2);
    expect(err).to.equal('pgherd: no etcd was named: give --etcd URL[,URL] or set PGHERD_ETCD\n');
  });

  it('ends with 1 within seconds when etcd is not there', async () => {
    const { code, err } = await run('--etcd http://127.0.0.1:1 get cells');
    expect(code).to.equal(1);
    expect(err).to.match(/^pgherd: .*ECONNREFUSED.*check that etcd runs there.*\n$/);
  });

  it('goes on watching until Ctrl-C, and ends with 130', async () => {
    const watch = new Command(['get', 'instances', '--watch'], { env });
    await watch.prints('f1 ');
    await run('apply --id f9 -f -', { env, stdin: 'plan: small' });
    await watch.prints('f9 ');
    watch.process.kill('SIGINT');
    expect((await watch.ended).code).to.equal(130);
  });

  it('ends with 3 when what is waited for does not come', async () => {
    const { code, err } = await run('wait f1 --timeout 500ms', { env });
    expect(code).to.equal(3);
    expect(err).to.include('no controller is running: start one with `pgherd controller`');
  });

  it('does not end with a fault when its output is closed early', async () => {
    const once = new Command(['get', 'instances', '-o', 'yaml'], { env });
    once.process.stdout?.destroy();
    expect(await once.ended).to.include({ code: 0, err: '' });

    const watch = new Command(['get', 'instances', '--watch'], { env });
    await watch.prints('f1 ');
    watch.process.stdout?.destroy();
    await run('apply --id closed -f -', { env, stdin: 'plan: small' });
    expect(await watch.ended).to.include({ code: 130, err: '' });
  });

  it('keeps herds with different roots apart', async () => {
    await run('--root /other apply --id elsewhere -f -', { env, stdin: 'plan: small' });
    expect((await run('--root /other get instances -o name', { env })).out).to.equal('elsewhere\n');
    expect((await run('get instances -o name', { env })).out).not.to.include('elsewhere');
  });

  describe('with TLS', () => {
    let secured: EtcdProcess;
    let tls: Certificates;
    before(async () => {
      const host = randomLoopback();
      tls = await makeCertificates(host);
      secured = await startEtcd({ host, tls });
    });
    after(async () => {
      await secured.stop();
      await tls.remove();
    });

    const certificates = () => `--etcd-cacert ${tls.caFile} --etcd-cert ${tls.certFile} --etcd-key ${tls.keyFile}`;

    it('reaches etcd with certificates, and is told apart from a wrong authority', async () => {
      const reached = await run(`--etcd ${secured.endpoint} ${certificates()} get cells`);
      expect(reached).to.include({ code: 0, err: 'no cells\n' });
      const refused = await run(`--etcd ${secured.endpoint} get cells`);
      expect(refused.code).to.equal(1);
      expect(refused.err).to.match(/certificate/);
    });
  });

  describe('with a user', () => {
    let secured: EtcdProcess;
    const passwordFile = join(tmpdir(), `pgherd-password-${process.pid}`);
    before(async () => {
      secured = await startEtcd();
      const admin = new Etcd3({ hosts: secured.endpoint });
      await admin.role('root').create();
      await admin.user('root').create('open-sesame');
      await admin.user('root').addRole('root');
      await admin.auth.authEnable();
      admin.close();
      await writeFile(passwordFile, 'open-sesame\n', { mode: 0o600 });
    });
    after(async () => {
      await secured.stop();
      await rm(passwordFile, { force: true });
    });

    it('passes the password on, from the environment or a file, and never shows it', async () => {
      const options = `--etcd ${secured.endpoint} --etcd-user root`;
      const environment = { env: { PGHERD_ETCD_PASSWORD: 'open-sesame' } };
      expect(await run(`${options} get cells`, environment)).to.include({ code: 0, err: 'no cells\n' });
      expect(await run(`${options} --etcd-password-file ${passwordFile} get cells`)).to.include({ code: 0 });
      const wrong = await run(`${options} get cells`, { env: { PGHERD_ETCD_PASSWORD: 'open-barley' } });
      expect(wrong.code).to.equal(1);
      expect(wrong.err).to.include('check --etcd-user and PGHERD_ETCD_PASSWORD').and.not.include('barley');
    });
  });
});
