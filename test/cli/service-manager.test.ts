import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ServiceManager } from '../../src/cli/service-manager.ts';
import { createLogger } from '../../src/engine/logger.ts';
import { systemClock } from '../../src/time/clock.ts';
import { until } from '../fixtures/until.ts';

describe('ServiceManager', () => {
  const lines: string[] = [];
  const logger = createLogger({ level: 'warn', format: 'json', destination: { write: (line) => lines.push(line) } });
  let dir: string;
  let stop: AbortController;
  const said = () => readFileSync(join(dir, 'said'), 'utf8').split('\n');

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pgherd-notify-'));
    lines.length = 0;
    stop = new AbortController();
    writeFileSync(join(dir, 'said'), '');
    const script = `#!/bin/sh\necho "$1 $NOTIFY_SOCKET $SECRET" >>${join(dir, 'said')}\n`;
    writeFileSync(join(dir, 'systemd-notify'), script, { mode: 0o755 });
  });
  afterEach(() => {
    stop.abort();
    rmSync(dir, { recursive: true });
  });

  it('says once the daemon is up, that it lives, and that it stops, and passes nothing else on', async () => {
    const env = { PATH: `${dir}:/usr/bin:/bin`, NOTIFY_SOCKET: '/n', WATCHDOG_USEC: '30000', SECRET: 'x' };
    const manager = new ServiceManager(env, systemClock, logger);
    const running = manager.run(stop.signal);
    expect(said()).to.deep.equal(['']);
    manager.ready();
    await until('fed twice', () => said().filter((line) => line === 'WATCHDOG=1 /n ').length >= 2);
    stop.abort();
    await running;
    expect(said()[0]).to.equal('READY=1 /n ');
    expect(said().at(-2)).to.equal('STOPPING=1 /n ');
    expect(lines).to.deep.equal([]);
  });

  it('says nothing where systemd does not run it, and goes on where it cannot be told', async () => {
    await new ServiceManager({ PATH: dir }, systemClock, logger).run(stop.signal);
    expect(said()).to.deep.equal(['']);
    const manager = new ServiceManager({ PATH: '/nonexistent', NOTIFY_SOCKET: '/n' }, systemClock, logger);
    manager.ready();
    const running = manager.run(stop.signal);
    await until('a warning', () => lines.length > 0);
    stop.abort();
    await running;
    expect(lines[0]).to.include('systemd was not told');
  });
});
