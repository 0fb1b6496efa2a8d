import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { type Certificates, makeCertificates } from '../fixtures/certificates.ts';
import { printed } from '../fixtures/etcdctl.ts';
import { randomLoopback } from '../fixtures/free-port.ts';
import type { KvServer } from './kv-behaviour.ts';

const run = promisify(execFile);

/** The gateway as curl asks it: behind TLS, that is over HTTP/2 unless it is told otherwise. */
export function curlWorks(
  start: (host: string, tls: { readonly certFile: string; readonly keyFile: string }) => Promise<KvServer>,
): void {
  let certificates: Certificates;
  let server: KvServer;

  before(async () => {
    const host = randomLoopback();
    certificates = await makeCertificates(host);
    const { certFile, keyFile } = certificates;
    server = await start(host, { certFile, keyFile });
  });
  after(async () => {
    await server?.stop();
    await certificates?.remove();
  });

  for (const version of ['2', '1.1']) {
    describe(`over HTTP/${version}`, () => {
      const flags = () => ['-sS', '--cacert', certificates.caFile, `--http${version}`];
      const ask = async (path: string, ...options: string[]) => {
        const format = '\n%{http_version} %{http_code}';
        const { stdout } = await run('curl', [...flags(), ...options, '-w', format, server.endpoint + path]);
        const at = stdout.lastIndexOf('\n');
        const [spoken, status] = stdout.slice(at + 1).split(' ');
        expect(spoken).to.equal(version);
        return { status: Number(status), body: stdout.slice(0, at) };
      };
      const post = (path: string, body: object) => ask(path, '-d', JSON.stringify(body));
      const key = Buffer.from(`curl/${version}`).toString('base64');
      const value = Buffer.from('v'.repeat(60_000)).toString('base64');

      it('writes and reads', async () => {
        expect((await post('/v3/kv/put', { key, value })).status).to.equal(200);
        const { body } = await post('/v3/kv/range', { key });
        expect(JSON.parse(body).kvs[0].value).to.equal(value);
      });

      it('watches', async () => {
        const { header } = JSON.parse((await post('/v3/kv/put', { key, value: key })).body);
        const question = JSON.stringify({ create_request: { key, start_revision: header.revision } });
        const watch = spawn('curl', [...flags(), '-N', `${server.endpoint}/v3/watch`, '-d', question]);
        try {
          const lines = (await printed(watch, /\n.*\n/)).split('\n');
          const [created, seen] = lines.slice(0, 2).map((each) => JSON.parse(each).result);
          expect(created.created).to.equal(true);
          expect(seen.events[0].kv.value).to.equal(key);
        } finally {
          watch.kill();
        }
      });

      it('says what is wrong', async () => {
        const refused = await post('/v3/kv/put', {});
        expect(refused.status).to.equal(400);
        expect(JSON.parse(refused.body)).to.include({ code: 3, message: 'etcdserver: key is not provided' });
        expect((await post('/v3/kv/nothing', {})).status).to.equal(404);
        expect((await ask('/v3/kv/put', '-d', '{ nothing')).status).to.equal(400);
      });

      it('/version and /health', async () => {
        expect(JSON.parse((await ask('/version')).body)).to.include.keys('etcdserver', 'etcdcluster');
        expect(JSON.parse((await ask('/health')).body)).to.include({ health: 'true' });
      });
    });
  }
}
