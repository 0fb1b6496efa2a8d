import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import { parseRegistration } from '../../src/schema/cell.ts';
import { addressOf, parseMember } from '../../src/schema/patroni.ts';
import { DockerEngine } from '../fixtures/docker-engine.ts';
import { imageFile, images } from '../fixtures/docker-images.ts';
import { freePort } from '../fixtures/free-port.ts';
import { catalogFile, type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly State: { readonly StartedAt: string };
  readonly HostConfig: {
    readonly PortBindings: Record<string, { readonly HostIp: string; readonly HostPort: string }[]>;
  };
  readonly Config: { readonly Env: readonly string[]; readonly Labels: Record<string, string> };
  readonly NetworkSettings: { readonly Networks: Record<string, unknown> };
}

/*
 * The controller is the image of pgherd. Each cell is set up another way: cell-1 speaks to the engine by its socket and has
 * data in volumes; cell-2 by TLS, and publishes on all addresses; cell-3 has data in directories and another way to etcd
 * than its containers.
 */
describe('an instance of containers on three cells of a real Docker engine', function () {
  this.timeout(1_200_000);
  let engine: DockerEngine;
  let herd: Herd | undefined;
  let uri: string;

  const run = () => herd as Herd;
  const sql = async (text: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: uri, connectionTimeoutMillis: 3000 });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  };
  const kept = async () => expect(await sql('select x from kept')).to.deep.equal([{ x: 42 }]);
  const document = (postgresql = {}) => ({ plan: 'test', parameters: { 'node-count': 3, postgresql } });
  const containers = async (): Promise<Container[]> => {
    const ids = await engine.docker('ps', '--quiet', '--no-trunc', '--filter', 'label=pgherd.instance=f1');
    return ids === '' ? [] : JSON.parse(await engine.docker('inspect', ...ids.split('\n')));
  };
  const portsOf = (container: Container) => [
    container.Name,
    ...['5432/tcp', '8008/tcp'].map((port) => container.HostConfig.PortBindings[port]?.[0]?.HostPort),
  ];
  const ports = async () => (await containers()).map(portsOf).sort();
  const startTimes = async () => (await containers()).map(({ Id, State }) => [Id, State.StartedAt]).sort();
  const leader = async (): Promise<string> =>
    JSON.parse(await run().run('get', 'instances', 'f1', '-o', 'json')).state.leader;
  const startController = async (started: Herd) => {
    const { dir, etcd } = started;
    const at = '/etc/pgherd/catalog.json';
    const role = ['controller', '--etcd', etcd.endpoint, '--catalog', at, '--ports', '29000-29099'];
    const atOnce = ['--deletion-grace', '0', '--deletion-burst', '1000', '--port-quarantine', '0'];
    const hardened = ['--read-only', '--cap-drop', 'ALL', '--volume', `${catalogFile(dir)}:${at}:ro`];
    await engine.docker('run', '--detach', ...hardened, images.pgherd, ...role, ...atOnce);
    await started.present('/pgherd/catalog', 1);
  };
  const problems = async () =>
    (await run().pairs('/cells/registered/')).flatMap(([, value]) => {
      const cell = parseRegistration(value);
      return cell.ok && cell.value.problem ? [cell.value.problem] : [];
    });

  before(async () => {
    const files = [await imageFile('patroni'), await imageFile('pgherd')];
    engine = await DockerEngine.start('own', { tls: true });
    for (const file of files) await engine.docker('load', '--quiet', '--input', file);
    for (const cell of [1, 2, 3]) await engine.docker('network', 'create', `cell-${cell}`);
    const etcdHost = engine.hostAddress as string;
    const etcdPort = await freePort(etcdHost);
    const [forContainers, forAgents] = [`http://${etcdHost}:${etcdPort}`, `http://127.0.61.250:${etcdPort}`];
    const { tls } = engine;
    const ways = [
      ['--docker-host', engine.address],
      ['--docker-host', tls.address, '--docker-tls', tls.directory, '--docker-listen', '0.0.0.0'],
      [
        '--docker-host',
        engine.address,
        '--docker-data',
        'directory',
        '--etcd',
        forAgents,
        '--node-etcd',
        forContainers,
      ],
    ];
    herd = await startHerd({
      ...{ controllers: 0, firstPort: 29000, network: 61, etcdHost, etcdPort },
      etcdArgs: ['--listen-client-urls', `${forContainers},${forAgents}`],
      cellArgs: (cell) => [
        ...['--runtime', 'docker', '--docker-network', `cell-${cell}`, '--image', images.patroni],
        ...['--address', engine.addresses[cell - 1] as string, ...(ways[cell - 1] ?? [])],
      ],
    });
    await startController(herd);
    await until('the image is loaded', async () => (await problems()).length === 0, {
      withinMs: 120_000,
      everyMs: 200,
    });
  });
  after(async () => {
    try {
      await herd?.stop();
    } finally {
      await engine?.stop();
    }
  });

  it('brings it up, and a tenant creates a table through its public port', async () => {
    await run().apply('f1', document());
    uri = await run().uri('f1');
    await sql('create table kept (x int)');
    await sql('insert into kept values (42)');
    await kept();
    const networks = (await containers()).flatMap(({ NetworkSettings }) => Object.keys(NetworkSettings.Networks));
    expect(networks.sort()).to.deep.equal(['cell-1', 'cell-2', 'cell-3']);
  });

  it('announces every port under the documented key, and Patroni advertises what its container read there', async () => {
    const expected = (await containers()).flatMap(({ Name, HostConfig, NetworkSettings }) => {
      const [cell = ''] = Object.keys(NetworkSettings.Networks);
      const address = engine.addresses[Number(cell.slice(-1)) - 1];
      return Object.entries(HostConfig.PortBindings).map(([port, [at]]) => {
        expect(at?.HostIp).to.equal(cell === 'cell-2' ? '0.0.0.0' : address);
        return [`/postgresql-patroni/${cell}:${Name.slice(1)}:${parseInt(port, 10)}`, `${address}:${at?.HostPort}`];
      });
    });
    const announced = await run().pairs('/postgresql-patroni/');
    expect(announced).to.have.deep.members(expected).and.to.have.length(6);
    for (const [key, value] of await run().pairs('/service/f1/members/')) {
      const member = parseMember(value);
      const node = key.split('/').at(-1);
      const at = (port: number) => announced.find(([name]) => name.endsWith(`:cf-${node}:${port}`))?.[1];
      expect(member.ok && addressOf(member.value.conn_url ?? '')).to.equal(at(5432));
      expect(member.ok && addressOf(member.value.api_url ?? '')).to.equal(at(8008));
    }
  });

  it('lets an operator ask patronictl in a container', async () => {
    const node = await leader();
    const list = ['patronictl', '-c', '/etc/pgherd/patroni.json', 'list', '--format', 'json'];
    const members = JSON.parse(await engine.docker('exec', `cf-${node}`, ...list));
    expect(members).to.have.length(3);
    expect(members.find(({ Role }: { Role: string }) => Role === 'Leader')).to.include({ Member: node });
  });

  it('shows no password to anybody who inspects a container', async () => {
    const password = new URL(uri).password;
    expect(password).to.have.length(16);
    expect(JSON.stringify(await containers())).not.to.include(password);
  });

  it('leaves databases alone while their agents are killed, and adopts the containers', async () => {
    const before = await startTimes();
    for (const cell of run().cells) await cell.end('SIGKILL');
    await kept();
    for (const cell of run().cells) cell.start();
    await run().ready('f1');
    expect(await startTimes()).to.deep.equal(before);
  });

  it('replaces a leader whose container is killed, releases its key on proof, and keeps its ports', async () => {
    const before = await ports();
    const old = await leader();
    const writer = await new Writer(uri).start();
    await engine.docker('kill', `cf-${old}`);
    await writer.nextAck(30_000);
    await writer.stop();
    await run().ready('f1');
    expect(await ports()).to.deep.equal(before);
    // Events follow what they tell of.
    const told = /NodeEnded.*exit code 137.*leader key was released at once/;
    let events = '';
    await until('an event of the release', async () => {
      events = await run().run('get', 'events');
      return told.test(events);
    }).catch(() => {});
    expect(events).to.match(told);
    await kept();
  });

  it('lets databases run on while the engine is killed, says so, and goes on when it is back', async () => {
    const before = await startTimes();
    await engine.end('SIGKILL');
    await until('cells have a problem', async () => (await problems()).length === 3, {
      everyMs: 200,
      withinMs: 60_000,
    });
    await kept();
    await engine.resume();
    await until('no cell has one', async () => (await problems()).length === 0, { everyMs: 200, withinMs: 60_000 });
    expect(await startTimes()).to.deep.equal(before);
    await run().ready('f1');
  });

  it('calls a cell suspect whose engine hangs, and stays alive itself', async () => {
    engine.signal('SIGSTOP');
    try {
      const said = await until(
        'cells have a problem',
        async () => {
          const all = await problems();
          return all.length === 3 ? all : undefined;
        },
        { everyMs: 200, withinMs: 60_000 },
      );
      for (const problem of said) expect(problem).to.match(/^the container engine at .* did not answer within \d+ s/);
      const suspect = /"health":"Suspect".*did not answer within/;
      await until('all cells are Suspect', async () => {
        const health = await run().pairs('/cells/health/');
        return health.length === 3 && health.every(([, value]) => suspect.test(value));
      });
      await kept();
      for (const cell of run().cells) expect(cell.isRunning).to.equal(true);
    } finally {
      engine.signal('SIGCONT');
    }
    await until('no cell has one', async () => (await problems()).length === 0, { everyMs: 200, withinMs: 60_000 });
    await run().ready('f1');
  });

  it('recreates containers for a change that needs a restart, on the same ports', async () => {
    const [ids, before] = [(await startTimes()).map(([id]) => id), await ports()];
    await run().apply('f1', document({ max_connections: 50 }));
    await until('all are new', async () => {
      const now = (await startTimes()).map(([id]) => id);
      return now.length === 3 && !now.some((id) => ids.includes(id));
    });
    await run().ready('f1');
    expect(await ports()).to.deep.equal(before);
    expect(await sql('show max_connections')).to.deep.equal([{ max_connections: '50' }]);
    await kept();
  });

  it('deletes: no container, volume or key is left behind', async () => {
    await run().run('delete', 'f1', '--yes', '--wait');
    const ours = ['--quiet', '--filter', 'label=pgherd.node'];
    expect(await engine.docker('ps', '--all', ...ours)).to.equal('');
    expect(await engine.docker('volume', 'ls', ...ours)).to.equal('');
    expect(await readdir(join(run().dir, 'cell-3', 'data'))).to.deep.equal([]);
    for (const prefix of ['/service/', '/cells/observed/', '/postgresql-patroni/']) {
      expect(await run().keys(prefix), prefix).to.deep.equal([]);
    }
  });
});
