import { expect } from 'chai';
import { containerFiles, containerLimits, containerOf } from '../../../../src/cell/runtime/docker/container.ts';
import { parseEngineAddress, printEngineAddress } from '../../../../src/cell/runtime/docker/engine-address.ts';
import { HostPorts, isPortTaken } from '../../../../src/cell/runtime/docker/host-ports.ts';
import { parseLabels } from '../../../../src/cell/runtime/docker/labels.ts';
import { testAssignment, testCredentials, testOrder } from '../../../fixtures/patroni.ts';

describe('containerOf()', () => {
  const settings = {
    ...{ cell: 'cell-1', hostname: '0.patroni.patroni1.patroni.bosh', address: '10.0.0.1', network: 'bridge' },
    store: { endpoints: ['http://10.0.0.9:2379'], root: '/herd-a' },
  };
  const order = testOrder(testAssignment('f1', 'f1-a'));
  const ports = { postgresql: 20001, patroni: 20002 };
  const container = containerOf(order, { ports, volume: 'v', image: 'sha256:1' }, settings);

  it('names the parts of the documented keys, and the ports that its own keys must say', () => {
    expect(container.Env).to.include.members([
      'PGHERD_IMAGE=postgresql-patroni',
      'PGHERD_HOSTNAME=0.patroni.patroni1.patroni.bosh',
      'PGHERD_CONTAINER=cf-f1-a',
      'PGHERD_ROOT=/herd-a',
      'PGHERD_PUBLISHED=5432=20001 8008=20002',
    ]);
  });

  it('labels it so that it is known again without any record', () => {
    expect(parseLabels(container.Labels ?? {})).to.deep.equal({
      ...{ cell: 'cell-1', instance: 'f1', node: 'f1-a', specHash: 'h1', ports, volume: 'v' },
    });
    expect(parseLabels({ 'pgherd.node': 'x' })).to.equal(undefined);
  });

  it('mounts a volume by its name, and a directory by its path', () => {
    expect(container.HostConfig?.Mounts).to.deep.equal([{ Type: 'volume', Source: 'v', Target: '/data' }]);
    const data = { ports, volume: '/srv/cell-1/data/v', image: 'sha256:1' };
    expect(containerOf(order, data, settings).HostConfig?.Mounts).to.deep.equal([
      { Type: 'bind', Source: '/srv/cell-1/data/v', Target: '/data' },
    ]);
  });

  it('is never restarted by the engine, and has the limits of its plan', () => {
    expect(container.HostConfig?.RestartPolicy).to.deep.equal({ Name: 'no' });
    const limits = containerLimits({ memory_mb: 256, cpus: 0.5 });
    expect(limits).to.include({ Memory: 268435456, MemorySwap: 268435456, NanoCpus: 5e8, ShmSize: 134217728 });
  });

  it('holds no password; the files that are put into it do', () => {
    const { password } = testCredentials.superuser_credentials;
    expect(JSON.stringify(container)).not.to.include(password);
    const [config] = containerFiles(order, settings);
    expect(config).to.include({ path: '/etc/pgherd/patroni.json', mode: 0o400 });
    expect(config?.content).to.include(password).and.not.to.include('connect_address');
  });
});

describe('HostPorts', () => {
  it('never chooses a port twice, and says when none is left', () => {
    const ports = new HostPorts({ first: 20000, last: 20003 }, () => 0.99);
    ports.reserve({ postgresql: 20000, patroni: 20001 });
    expect(ports.choose()).to.deep.equal({ postgresql: 20003, patroni: 20002 });
    expect(() => ports.choose()).to.throw('no port from 20000 to 20003 is left');
    expect(isPortTaken(new Error('Bind for 10.0.0.1:20000 failed: port is already allocated'))).to.equal(true);
  });
});

describe('parseEngineAddress()', () => {
  it('reads sockets and TCP addresses, and refuses everything else', () => {
    for (const text of ['unix:///var/run/docker.sock', 'tcp://engine.example:2376', 'tcp://[::1]:2375']) {
      expect(printEngineAddress(parseEngineAddress(text, undefined))).to.equal(text);
    }
    for (const text of ['', 'docker.sock', 'unix://', 'http://x', 'tcp://']) {
      expect(() => parseEngineAddress(text, undefined), text).to.throw('expected unix:///PATH or tcp://HOST:PORT');
    }
  });
});
