import type { Endpoint } from './route.ts';
import { type Slot, type SlotRole, serverName, slotName } from './slot.ts';

/** One port that an HAProxy serves, and what is behind it when it starts. */
export interface Listener {
  readonly port: number;
  readonly role: SlotRole;
  readonly slot: Slot;
}

export interface ConfigOptions {
  /** Told back by `show info`: a restarted router takes over only an HAProxy of its own layout. */
  readonly layout: string;
  readonly socketPath: string;
  readonly bindAddress: string;
  readonly maxConnections: number;
  readonly listeners: readonly Listener[];
}

/** The whole block as slots: from here on only the runtime API changes anything. */
export function renderConfig(options: ConfigOptions): string {
  const { layout, socketPath, bindAddress, maxConnections, listeners } = options;
  const listens = listeners.map(
    ({ port, role, slot }) =>
      `listen ${slotName(role, port)} from ${role}\n  bind ${hostPort(bindAddress, port)}\n${servers(slot)}`,
  );
  return `# Written by pgherd when it started HAProxy. Routes change through the runtime API, never through this file.
global
  description ${layout}
  maxconn ${maxConnections}
  # The limit counts a connection for the check of every server of the block; few are in use at a time.
  no strict-limits
  # Or another HAProxy could bind the same ports, and each would get a share of the connections.
  noreuseport
  stats socket ${socketPath} mode 600 level admin
  stats timeout 1d
  hard-stop-after 3s

defaults common
  mode tcp
  # No instance can take all connections of the router.
  maxconn ${Math.max(100, Math.floor(maxConnections / 4))}
  timeout connect 3s
  timeout check 2s
  # An idle session is a healthy one; keep-alive finds those whose other end is gone.
  timeout client 7d
  timeout server 7d
  timeout client-fin 30s
  timeout server-fin 30s
  option clitcpka
  clitcpka-idle 60s
  clitcpka-intvl 10s
  clitcpka-cnt 6
  option srvtcpka
  srvtcpka-idle 60s
  srvtcpka-intvl 10s
  srvtcpka-cnt 6

defaults leader from common
  # There is no second choice: tell the client at once.
  retries 0
  option httpchk OPTIONS /primary
  http-check expect status 200
  # Two answers decide, so that one slow answer of Patroni cuts nobody off.
  default-server check inter 1s fastinter 200ms downinter 500ms fall 2 rise 1 on-marked-down shutdown-sessions

defaults replicas from common
  balance leastconn
  retries 2
  option redispatch 1
  option httpchk OPTIONS /replica
  http-check expect status 200
  default-server check inter 3s fastinter 500ms downinter 2s fall 2 rise 1 on-marked-down shutdown-sessions

${listens.join('\n')}`;
}

function servers(slot: Slot): string {
  return slot
    .map(
      ({ admin, endpoint }, index) =>
        `  server ${serverName(index)} ${server(endpoint)}${admin === 'ready' ? '' : ' disabled'}\n`,
    )
    .join('');
}

const server = (endpoint: Endpoint): string =>
  `${hostPort(endpoint.host, endpoint.port)} addr ${endpoint.checkHost} port ${endpoint.checkPort}`;

const hostPort = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
