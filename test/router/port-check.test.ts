import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect } from 'chai';
import { takenPorts } from '../../src/router/port-check.ts';
import { freePort, randomLoopback } from '../fixtures/free-port.ts';

describe('takenPorts()', () => {
  it('finds a port that another program listens on, and lets go of the free ones', async () => {
    const host = randomLoopback();
    const squatter = createServer().listen(0, host);
    await once(squatter, 'listening');
    const { port } = squatter.address() as AddressInfo;
    const free = await freePort(host);
    expect(await takenPorts(host, [port, free])).to.deep.equal(new Set([port]));
    squatter.close();
    await once(squatter, 'close');
    expect(await takenPorts(host, [port, free])).to.deep.equal(new Set());
  });

  it('names the address when it is none of this machine', async () => {
    const error = await takenPorts('192.0.2.1', [30000]).catch((reason: Error) => reason);
    expect((error as Error).message).to.equal('bind 192.0.2.1:30000');
  });
});
