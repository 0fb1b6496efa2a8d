import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { SystemdMachine } from '../fixtures/systemd-machine.ts';
import { until } from '../fixtures/until.ts';

const guide = readFileSync(new URL('../../../docs/install/systemd.md', import.meta.url), 'utf8');

/** The commands below a heading of the guide, but for what a test has already: the built clone, addresses, a certificate. */
function commandsOf(heading: string): string {
  const section = guide.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const commands = section?.match(/^```sh\n([\s\S]*?)^```/m)?.[1];
  if (commands === undefined) throw new Error(`docs/install/systemd.md has no commands below ${heading}`);
  return commands
    .replaceAll(/^(git clone|npm ci|editor) .*\n/gm, '')
    .replace(' ca.pem ', ' /opt/ca.pem ')
    .replace('PGHERD_ETCD=…', `PGHERD_ETCD=${herd.PGHERD_ETCD}`);
}

const herd = { PGHERD_ETCD: 'http://127.0.0.1:2379' };
const units = ['pgherd-kv', 'pgherd-controller', 'pgherd-cell', 'pgherd-router'];

describe('docs/install/systemd.md, line by line on a machine that boots systemd', function () {
  this.timeout(180_000);
  const machine = new SystemdMachine();
  const psql = (input: string) =>
    machine.run(`pgherd psql first -- -AtX <<'END'\n${input}\nEND`, herd).trim().split('\n');
  const property = (unit: string, name: string) => machine.run(`systemctl show ${unit} -P ${name}`).trim();

  before(async () => {
    await machine.boot();
    machine.write('/opt/ca.pem', 'unused: the store of this machine serves without TLS\n');
  });
  after(() => machine.remove());

  it('ends in a herd with an instance that answers at its public port', async () => {
    const follow = (heading: string) => machine.run(commandsOf(heading));
    follow('On every machine');
    follow('The embedded store, instead of etcd, for a herd on one machine');
    follow('Controllers, on two machines or more');
    follow('Cells, on every machine for databases');
    follow('Routers, where clients connect');
    await until('every unit is ready', () => units.every((unit) => property(unit, 'ActiveState') === 'active'));
    follow('Is it well?');
    expect(psql('create table t as select 42 as x;\nselect x from t;')).to.include('42');
  });

  it('keeps databases and open connections when the agents of cell and router are restarted', () => {
    const answers = psql(
      ['select pg_backend_pid();', '\\! systemctl restart pgherd-cell pgherd-router', 'select pg_backend_pid();'].join(
        '\n',
      ),
    );
    expect(answers).to.have.length(2);
    expect(answers[0]).to.equal(answers[1]);
  });

  it('starts a daemon again that was killed, and one that hangs', async () => {
    machine.run(
      'mkdir -p /run/systemd/system/pgherd-controller.service.d &&' +
        " printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/pgherd-controller.service.d/test.conf &&" +
        ' systemctl daemon-reload && systemctl restart pgherd-controller',
    );
    for (const [signal, restarts] of [
      ['KILL', '1'],
      ['STOP', '2'],
    ]) {
      machine.run(`systemctl kill --kill-whom=main --signal=${signal} pgherd-controller`);
      await until(
        `a controller after SIG${signal}`,
        () =>
          property('pgherd-controller', 'NRestarts') === restarts &&
          property('pgherd-controller', 'ActiveState') === 'active',
        { everyMs: 200 },
      );
    }
  });

  it('comes back by itself with its data after the power was cut', async () => {
    await machine.cutPower();
    await machine.boot();
    await until('every unit is ready', () => units.every((unit) => property(unit, 'ActiveState') === 'active'));
    machine.run('pgherd wait first --for=Ready --timeout 60s', herd);
    expect(psql('select x from t;')).to.deep.equal(['42']);
  });
});
