import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { KvServer } from './kv-behaviour.ts';

const run = promisify(execFile);
const scripts = fileURLToPath(new URL('../../../test/fixtures', import.meta.url));

/** Everything that the two Python clients of Debian can do, each step a function of a script. */
export function pythonWorks(gatewayPath: string, start: () => Promise<KvServer>): void {
  let server: KvServer;
  before(async () => {
    server = await start();
  });
  after(() => server?.stop());

  const clients = { 'python3-etcd3': [], 'python3-etcd3gw': [gatewayPath] };
  for (const [client, more] of Object.entries(clients)) {
    for (const step of ['put_get_and_delete', 'transactions', 'leases', 'watches', 'locks', 'the_rest']) {
      it(`${client}: ${step.replaceAll('_', ' ')}`, async () => {
        const { hostname, port } = new URL(server.endpoint);
        const script = `${scripts}/${client.replace('3', '')}.py`;
        await run('/usr/bin/python3', [script, hostname, port, ...more, step], { timeout: 60_000 });
      });
    }
  }
}
