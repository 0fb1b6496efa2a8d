import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type Certificates, makeCertificates } from '../fixtures/certificates.ts';
import { freePort, randomLoopback } from '../fixtures/free-port.ts';
import { Prometheus } from '../fixtures/prometheus.ts';
import { metricsOf } from '../fixtures/promql.ts';
import { type Herd, startHerd } from '../fixtures/real-herd.ts';
import { until } from '../fixtures/until.ts';

const deploy = fileURLToPath(new URL('../../../deploy', import.meta.url));
const docs = fileURLToPath(new URL('../../../docs', import.meta.url));

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

const dashboards = readdirSync(join(deploy, 'grafana'))
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({ name, ...(JSON.parse(readFileSync(join(deploy, 'grafana', name), 'utf8')) as Dashboard) }));
const queries = dashboards.flatMap(({ name, panels }) =>
  panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ name, title, expr }))),
);

/** The names of the metrics in an exposition. */
const exposed = (text: string): string[] => [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name as string);

/** The names of the metrics that docs/metrics.md has in the first column of its tables; `*` stands for the rest. */
function documented(): string[] {
  const page = readFileSync(join(docs, 'metrics.md'), 'utf8');
  const rows = page.split('\n').filter((line) => line.startsWith('| `'));
  return rows
    .map((row) => row.split('|')[1] ?? '')
    .flatMap((cell) => [...cell.matchAll(/`([a-z_]+\*?)(?:\{[^`]*)?`/g)].map(([, name]) => name as string))
    .filter((name) => !name.startsWith('__meta_'));
}

describe('Prometheus on a real herd', () => {
  const host = randomLoopback();
  const directory = mkdtempSync(join(tmpdir(), 'pgherd-prometheus-'));
  let certificates: Certificates;
  let herd: Herd;
  let exporter: ReturnType<typeof spawn> | undefined;
  let prometheus: Prometheus;

  before(async () => {
    const etcdHost = randomLoopback();
    certificates = await makeCertificates(etcdHost);
    const metrics = `http://${host}:${await freePort(host)}`;
    const [snapshots, secret] = [join(directory, 'snapshots'), join(directory, 'secret')];
    writeFileSync(secret, 'a secret that is long enough for a test', { mode: 0o600 });
    herd = await startHerd({
      controllerArgs: ['--snapshot-dir', snapshots, '--snapshot-key-file', secret],
      ...{ cells: 2, controllers: 2, firstPort: 28700, network: 47, tls: certificates, etcdHost },
      etcdArgs: ['--listen-metrics-urls', metrics],
    });
    await herd.apply('shop', { plan: 'test', parameters: { 'node-count': 2 } });
    const uri = await herd.uri('shop');
    const exporterAt = `${host}:${await freePort(host)}`;
    exporter = spawn('prometheus-postgres-exporter', ['--web.listen-address', exporterAt], {
      env: { ...process.env, DATA_SOURCE_NAME: `${uri}${uri.includes('?') ? '&' : '?'}sslmode=disable` },
      stdio: 'ignore',
    });
    const configuration = configure(metrics.slice('http://'.length), exporterAt);
    prometheus = await Prometheus.start(herd.dir, configuration, host);
  });
  after(async () => {
    exporter?.kill('SIGKILL');
    if (exporter && exporter.exitCode === null && exporter.signalCode === null) await once(exporter, 'exit');
    await prometheus?.stop();
    await herd?.stop();
    await certificates?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Our configuration with the addresses of this herd, and in a hurry. */
  function configure(etcd: string, exporterAt: string): string {
    const text = readFileSync(join(deploy, 'prometheus', 'prometheus.yml'), 'utf8');
    return text
      .replaceAll(/_interval: 15s/g, '_interval: 1s')
      .replace('rules/*.yml', join(deploy, 'prometheus', 'rules', '*.yml'))
      .replaceAll(/controller-([12])\.example\.com:9300/g, '127.0.47.20$1:9000')
      .replace(/\[.e1\.example\.com:2379[^\]]*\]/, `['${etcd}']`)
      .replace('metrics_path: /probe', 'metrics_path: /metrics')
      .replace('postgres-exporter.example.com:9187', exporterAt);
  }

  it('finds everything that there is to scrape, and scrapes it', async () => {
    const wanted = { 'pgherd-controller': 2, 'pgherd-cell': 2, 'pgherd-router': 1, patroni: 2, postgresql: 2, etcd: 1 };
    await until(
      'all targets are up',
      async () => {
        const up = (await prometheus.targets()).filter(({ health }) => health === 'up');
        return Object.entries(wanted).every(
          ([job, count]) => up.filter(({ labels }) => labels['job'] === job).length === count,
        );
      },
      { withinMs: 60_000, everyMs: 250 },
    );
    const patroni = (await prometheus.targets()).find(({ labels }) => labels['job'] === 'patroni');
    expect(patroni?.labels).to.include({ scope: 'shop' }).and.to.include.keys('node', 'cell', 'zone');
  });

  it('evaluates every rule, and none of the alerts fires on a herd that is well', async () => {
    const rules = await until(
      'all rules were evaluated',
      async () => {
        const all = await prometheus.rules();
        return all.every(({ health }) => health !== 'unknown') ? all : undefined;
      },
      { everyMs: 250 },
    );
    expect(rules.filter(({ health }) => health !== 'ok')).to.deep.equal([]);
    expect(rules.filter(({ state }) => state === 'firing').map(({ name }) => name)).to.deep.equal([]);
  });

  for (const { name, title, expr } of queries) {
    it(`has series for “${title}” of ${name}: ${expr}`, async () => {
      await until(
        `series for ${expr}`,
        async () => (await prometheus.count(expr.replaceAll('$scope', 'shop'))) > 0 || undefined,
        { everyMs: 250 },
      );
    });
  }

  it('knows every metric that rules and dashboards name', async () => {
    const rules = readdirSync(join(deploy, 'prometheus', 'rules'))
      .map((file) => readFileSync(join(deploy, 'prometheus', 'rules', file), 'utf8'))
      .flatMap((text) => [...text.matchAll(/^ +expr: (?:\|-\n((?: {10}.*\n)+)|(.*)$)/gm)])
      .map(([, block, line]) => block ?? (line as string));
    expect(rules.length).to.be.greaterThan(20);
    const named = [...rules, ...queries.map(({ expr }) => expr)].flatMap(metricsOf);
    const known = new Set([...(await prometheus.names()), ...(await everyType())]);
    expect([...new Set(named)].filter((name) => !known.has(name))).to.deep.equal([]);
  });

  it('exposes what docs/metrics.md names, and nothing else', async () => {
    const names = documented();
    const types = await everyType();
    const isDocumented = (name: string) =>
      names.some((each) => each === name || (each.endsWith('*') && name.startsWith(each.slice(0, -1))));
    expect(
      [...types].filter((name) => !isDocumented(name)),
      'exposed, not documented',
    ).to.deep.equal([]);
    const missing = names.filter((each) => !each.endsWith('*') && !types.has(each));
    expect(missing, 'documented, not exposed').to.deep.equal([]);
  });

  /** What our own daemons expose. */
  async function everyType(): Promise<Set<string>> {
    const ours = (await prometheus.targets()).filter(({ labels }) => labels['job']?.startsWith('pgherd-'));
    const texts = await Promise.all(ours.map(async ({ scrapeUrl }) => (await fetch(scrapeUrl)).text()));
    return new Set(texts.flatMap(exposed));
  }
});
