import { createServer } from 'node:net';

const atOnce = 256;

/**
 * The ports that cannot be bound here now. HAProxy would refuse to start at all because of a single one of them.
 * Node binds without SO_REUSEPORT, so a port that another HAProxy would share is found, too.
 */
export async function takenPorts(host: string, ports: readonly number[]): Promise<Set<number>> {
  const taken = new Set<number>();
  for (let from = 0; from < ports.length; from += atOnce) {
    const some = ports.slice(from, from + atOnce);
    const areFree = await Promise.all(some.map((port) => canBind(host, port)));
    for (const [index, port] of some.entries()) if (!areFree[index]) taken.add(port);
  }
  return taken;
}

function canBind(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false);
      else reject(new Error(`bind ${host}:${port}`, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
