import type { NodeId } from './ids.ts';

/**
 * `/<image>/<hostname>:<container>:<port>` = `host:port`: where a container's internal port is reachable. Written by the
 * registrar of the cell's agent, on its lease, in the same transaction as the node's observed key. Documented: others
 * read it, and a container looks itself up here.
 */
export const defaultImage = 'postgresql-patroni';
export const postgresqlPort = 5432;
export const patroniPort = 8008;

export const bindingsPrefix = (image: string): string => `/${image}/`;
export const containerName = (node: NodeId): string => `cf-${node}`;
export const bindingKey = (image: string, hostname: string, node: NodeId, port: number): string =>
  `/${image}/${hostname}:${containerName(node)}:${port}`;

export interface BindingName {
  readonly image: string;
  readonly hostname: string;
  readonly node: NodeId;
  readonly port: number;
}

/** The parts of a binding's key, undefined when it is not one of a node (`cf-…`). */
export function parseBindingKey(key: string): BindingName | undefined {
  const match = /^\/([^/]+)\/(.+):cf-([^/:]+):(\d{1,5})$/.exec(key);
  if (!match) return undefined;
  const [, image = '', hostname = '', node = '', port = ''] = match;
  return { image, hostname, node: node as NodeId, port: Number(port) };
}
