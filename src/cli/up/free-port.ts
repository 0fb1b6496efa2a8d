import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** The port to listen on: `preferred` when it is free, else any that is. */
export async function freePort(host: string, preferred: number): Promise<number> {
  return (await listenOnce(host, preferred)) ?? (await listenOnce(host, 0)) ?? preferred;
}

/** Whether a program could listen there now. */
export const isFree = async (host: string, port: number): Promise<boolean> =>
  (await listenOnce(host, port)) !== undefined;

async function listenOnce(host: string, port: number): Promise<number | undefined> {
  const server = createServer().listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  const { port: actual } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return actual;
}
