import { expect } from 'chai';
import { type DockerOptions, dockerSettings } from '../../src/cli/docker-options.ts';

describe('dockerSettings()', () => {
  const options: DockerOptions = {
    ...{ image: 'pgherd-patroni:15', dockerHost: 'unix:///run/docker.sock', dockerNetwork: 'bridge' },
    dockerData: 'volume',
  };
  const store = { endpoints: ['http://10.0.0.5:2379'] };

  it('gives containers their own way to etcd when they are told one', () => {
    expect(dockerSettings(options, store).store.endpoints).to.deep.equal(['http://10.0.0.5:2379']);
    const own = dockerSettings({ ...options, nodeEtcd: 'http://10.0.0.6:2379' }, store);
    expect(own.store.endpoints).to.deep.equal(['http://10.0.0.6:2379']);
  });

  for (const [what, changes, said] of [
    ['an etcd on loopback', { nodeEtcd: 'http://127.0.0.1:2379' }, 'containers cannot reach etcd at http://127.0.0.1'],
    ['a network that publishes no ports', { dockerNetwork: 'host' }, '--docker-network is host'],
    [
      'directories for an engine that may be elsewhere',
      { dockerHost: 'tcp://10.0.0.1:2375', dockerData: 'directory' },
      '--docker-data is directory: that needs an engine on this machine',
    ],
    [
      'certificates that are not there',
      { dockerTls: '/nonexistent' },
      'cannot read ca.pem in the directory of --docker-tls',
    ],
    ['an address of nothing', { dockerHost: 'docker.sock' }, '--docker-host: "docker.sock" is no address'],
  ] as const) {
    it(`refuses ${what}, and says what to do`, () => {
      expect(() => dockerSettings({ ...options, ...changes }, store)).to.throw(said);
    });
  }
});
