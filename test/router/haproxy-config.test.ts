import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { renderConfig } from '../../src/router/haproxy-config.ts';
import { emptySlot, planSlot } from '../../src/router/slot.ts';

const goldenPath = fileURLToPath(new URL('../../../test/golden/haproxy.cfg', import.meta.url));

describe('renderConfig()', () => {
  it('is the golden file; UPDATE=1 rewrites it', () => {
    const leader = { host: '10.0.0.1', port: 5432, checkHost: '10.0.0.1', checkPort: 8008 };
    const replica = { host: 'fd00::2', port: 5433, checkHost: 'fd00::2', checkPort: 8009 };
    const config = renderConfig({
      layout: 'pgherd 1 30000-30001',
      socketPath: '/var/lib/pgherd/router/haproxy-1.sock',
      bindAddress: '0.0.0.0',
      maxConnections: 6000,
      listeners: [
        {
          port: 29998,
          role: 'replicas',
          slot: planSlot('', emptySlot('replicas'), { kind: 'open', endpoints: [replica] }).next,
        },
        { port: 29999, role: 'replicas', slot: emptySlot('replicas') },
        {
          port: 30000,
          role: 'leader',
          slot: planSlot('', emptySlot('leader'), { kind: 'open', endpoints: [leader] }).next,
        },
        { port: 30001, role: 'leader', slot: emptySlot('leader') },
      ],
    });
    if (process.env['UPDATE']) writeFileSync(goldenPath, config);
    expect(config).to.equal(readFileSync(goldenPath, 'utf8'));
  });
});
