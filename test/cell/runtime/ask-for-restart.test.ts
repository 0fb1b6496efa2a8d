import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { askForRestart } from '../../../src/cell/runtime/ask-for-restart.ts';
import { FakeClock } from '../../fixtures/fake-clock.ts';

const admin = { username: 'pgadmin', password: 'sesame' };

describe('askForRestart()', () => {
  let server: Server | undefined;
  const serve = async (answer: RequestListener): Promise<string> => {
    const listening = createServer(answer);
    server = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(listening.address() as AddressInfo).port}`;
  };
  const outcome = (asked: Promise<void>): Promise<string> =>
    asked.then(
      () => 'asked',
      ({ message }: Error) => message,
    );
  afterEach(async () => {
    server?.closeAllConnections();
    await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    server = undefined;
  });

  it('asks as the admin for a restart that is pending, and for no other', async () => {
    let said: unknown;
    const address = await serve((request, response) => {
      let body = '';
      request.on('data', (text) => {
        body += text;
      });
      request.on('end', () => {
        const { method, url, headers } = request;
        said = [method, url, Buffer.from(headers.authorization?.slice(6) ?? '', 'base64').toString(), JSON.parse(body)];
        response.end('Restarted successfully');
      });
    });
    expect(await outcome(askForRestart(address, admin, new FakeClock()))).to.equal('asked');
    expect(said).to.deep.equal(['POST', '/restart', 'pgadmin:sesame', { restart_pending: true }]);
  });

  it('takes a restart that is under way, or not needed any more, for one that was asked for', async () => {
    const address = await serve((_, response) => response.writeHead(503).end());
    expect(await outcome(askForRestart(address, admin, new FakeClock()))).to.equal('asked');
  });

  it('does not wait until PostgreSQL is there again', async () => {
    const clock = new FakeClock();
    let onAsked = () => {};
    const arrived = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const address = await serve(() => onAsked());
    const asked = outcome(askForRestart(address, admin, clock));
    await arrived;
    await clock.advance(2000);
    expect(await asked).to.equal('asked');
  });

  it('says without a password that it was refused, or that nobody is there', async () => {
    const address = await serve((_, response) => response.writeHead(401).end());
    expect(await outcome(askForRestart(address, admin, new FakeClock()))).to.equal(
      `Patroni at ${address} refuses a restart with status 401`,
    );
    expect(await outcome(askForRestart('127.0.0.1:1', admin, new FakeClock()))).to.equal(
      'Patroni at 127.0.0.1:1 does not answer',
    );
  });
});
