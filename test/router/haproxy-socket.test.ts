import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { HaproxySocket } from '../../src/router/haproxy-socket.ts';
import { FakeClock } from '../fixtures/fake-clock.ts';

describe('HaproxySocket', () => {
  let dir: string;
  let server: Server;
  let sockets: Set<Socket>;
  let lines: string[];
  let answer: string | undefined;
  let clock: FakeClock;
  let haproxy: HaproxySocket;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pgherd-socket-'));
    sockets = new Set();
    lines = [];
    answer = '\n';
    clock = new FakeClock();
    haproxy = new HaproxySocket(join(dir, 'h.sock'), clock);
    server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('data', (line) => {
        lines.push(String(line));
        if (answer !== undefined) socket.end(answer);
      });
    }).listen(haproxy.path);
    await once(server, 'listening');
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await rm(dir, { recursive: true });
  });

  async function codeOf(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => 'it succeeded',
      (error: { code: string }) => error.code,
    );
  }

  it('sends everything in one line, so that nothing can come between two commands', async () => {
    await haproxy.command([
      ['set server p1/s1 state maint', 'shutdown sessions server p1/s1'],
      ['set server p2/s1 health up'],
    ]);
    expect(lines).to.deep.equal([
      'set server p1/s1 state maint;shutdown sessions server p1/s1;set server p2/s1 health up\n',
    ]);
  });

  it('never sends more than HAProxy can read at once, nor tears a port’s commands apart', async () => {
    const group = (port: number) => Array.from({ length: 6 }, (_, i) => `set server p${port}/s1 state ready #${i}`);
    await haproxy.command(Array.from({ length: 500 }, (_, i) => group(30000 + i)));
    expect(lines.length).to.be.above(5);
    for (const line of lines) {
      expect(line.length).to.be.below(16_000);
      expect(line).to.match(/^[^;]*#0;.*#5\n$/);
    }
  });

  it('takes HAProxy’s remarks about addresses for success, and anything else for a refusal', async () => {
    answer =
      "no need to change the addr, port changed from '1' to '2' by 'stats socket command'\n\n\nIP changed from 'a' to 'b'\n\n";
    await haproxy.command([['set server p1/s1 addr 127.0.0.1 port 2']]);
    answer = '\nNo such server.\n\n';
    expect(await codeOf(haproxy.command([['set server p1/s9 state maint']]))).to.equal('command-refused');
  });

  it('gives up on an HAProxy that does not answer', async () => {
    answer = undefined;
    const asked = codeOf(haproxy.ask('show info'));
    while (lines.length === 0) await once(server, 'connection').then(([socket]) => once(socket as Socket, 'data'));
    await clock.advance(10_000);
    expect(await asked).to.equal('unreachable');
    expect(clock.pendingTimers).to.equal(0);
  });

  it('notices at once when HAProxy is gone, and is not deceived by a connection that idled too long', async () => {
    const stop = new AbortController();
    const gone = haproxy.gone(stop.signal);
    const [first] = (await once(server, 'connection')) as [Socket];
    first.destroy();
    const [second] = (await once(server, 'connection')) as [Socket];
    server.close();
    second.destroy();
    await gone;
    stop.abort();
  });

  it('refuses a path that HAProxy could not bind, and names the limit', () => {
    expect(() => new HaproxySocket(`/${'x'.repeat(97)}`, clock)).to.throw('has 98 characters, at most 97 are possible');
  });
});
