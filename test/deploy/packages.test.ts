import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const script = fileURLToPath(new URL('../../../deploy/install/packages.sh', import.meta.url));

describe('deploy/install/packages.sh', () => {
  it('names what is missing and stops where there is no apt-get', () => {
    const { status, stderr } = spawnSync('/bin/sh', [script], { env: { PATH: '/nonexistent' }, encoding: 'utf8' });
    expect(status).to.equal(1);
    expect(stderr)
      .to.match(/missing here: etcd /)
      .and.match(/in the packages: etcd-server .*postgresql-15 haproxy/);
  });
});
