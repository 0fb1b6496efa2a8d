import { connect } from 'node:net';

// PostgreSQL answers it with one byte before it wants to know who asks.
const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Whether a database answers at `host:port`. HAProxy accepts connections for a server that it holds for down and closes
 * them, and after a promotion it takes one more health check until it changes its mind.
 */
export function portAnswers(endpoint: string, signal: AbortSignal): Promise<boolean> {
  const colon = endpoint.lastIndexOf(':');
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, '');
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(endpoint.slice(colon + 1)), signal });
    const settle = (answers: boolean) => {
      socket.destroy();
      resolve(answers);
    };
    socket.once('connect', () => socket.write(sslRequest));
    socket.once('data', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
  });
}
