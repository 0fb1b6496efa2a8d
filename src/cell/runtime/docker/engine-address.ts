import { isIP } from 'node:net';

/** Where a container engine is reached: a socket of this machine, or TCP, which should be guarded by TLS. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly host: string; readonly port: number; readonly tls: EngineTls | undefined };

/** Certificates for an engine that asks for them. */
export interface EngineTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Reads `unix:///var/run/docker.sock`, `tcp://host:2376`; throws with a sentence for people. */
export function parseEngineAddress(text: string, tls: EngineTls | undefined): EngineAddress {
  const problem = new Error(
    `${JSON.stringify(text)} is no address of a container engine: expected unix:///PATH or tcp://HOST:PORT`,
  );
  const socket = /^unix:\/\/(\/.+)$/.exec(text)?.[1];
  if (socket !== undefined) return { socketPath: socket };
  if (!text.startsWith('tcp://') || !URL.canParse(text)) throw problem;
  const { hostname, port, pathname } = new URL(text);
  if (hostname === '' || (pathname !== '' && pathname !== '/')) throw problem;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (tls ? 2376 : 2375)), tls };
}

/** The address as people write it. */
export function printEngineAddress(address: EngineAddress): string {
  if ('socketPath' in address) return `unix://${address.socketPath}`;
  return `tcp://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}
