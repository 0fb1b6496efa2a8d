/**
 * A slot is what HAProxy holds behind one port: a fixed number of servers, made at its start and changed only through
 * the runtime API. A port for leaders has two of them and uses them in turn, because a check of the old leader that is
 * still under way when the route changes would count against the new one; a port for replicas has four.
 */
import type { Endpoint, Wish } from './route.ts';

export const serversPerSlot = { leader: 2, replicas: 4 } as const;
export type SlotRole = keyof typeof serversPerSlot;

/** One server as HAProxy has it. In `maint` it has no sessions and its endpoint means nothing. */
export interface Server {
  readonly admin: 'ready' | 'drain' | 'maint';
  readonly endpoint: Endpoint;
}

export type Slot = readonly Server[];

/** What an unused server points to. */
export const nowhere: Endpoint = { host: '127.0.0.1', port: 1, checkHost: '127.0.0.1', checkPort: 1 };

export function emptySlot(role: SlotRole): Slot {
  return Array.from({ length: serversPerSlot[role] }, () => ({ admin: 'maint', endpoint: nowhere }));
}

/** HAProxy's name of the slot on a port. */
export const slotName = (role: SlotRole, port: number): string => `${role === 'leader' ? 'p' : 'r'}${port}`;

export const serverName = (index: number): string => `s${index + 1}`;

/** Commands of the runtime API in their order, and the slot as it is after them. */
export interface SlotPlan {
  readonly commands: readonly string[];
  readonly next: Slot;
}

/** What to tell HAProxy so that `slot` becomes as wished: first cut what must go, then open what is new. */
export function planSlot(name: string, slot: Slot, wish: Wish): SlotPlan {
  const next = [...slot];
  const commands: string[] = [];
  const tell = (index: number, ...settings: string[]) => {
    for (const setting of settings) commands.push(`set server ${name}/${serverName(index)} ${setting}`);
  };
  if (wish.kind === 'hold') return { commands, next };
  if (wish.kind === 'shut') {
    for (const [index, server] of slot.entries()) {
      if (server.admin !== 'ready') continue;
      tell(index, 'state drain');
      next[index] = { ...server, admin: 'drain' };
    }
    return { commands, next };
  }

  const missing = [...wish.endpoints];
  const kept: { readonly index: number; readonly endpoint: Endpoint }[] = [];
  for (const [index, server] of slot.entries()) {
    if (server.admin === 'maint') continue;
    const wanted = missing.findIndex((endpoint) => isSameServer(endpoint, server.endpoint));
    if (wanted >= 0) {
      kept.push({ index, endpoint: missing.splice(wanted, 1)[0] as Endpoint });
    } else {
      tell(index, 'state maint');
      commands.push(`shutdown sessions server ${name}/${serverName(index)}`);
      next[index] = { ...server, admin: 'maint' };
    }
  }
  for (const { index, endpoint } of kept) {
    const server = slot[index] as Server;
    if (!isSameCheck(endpoint, server.endpoint)) tell(index, checkAddress(endpoint));
    if (server.admin === 'drain') tell(index, 'state ready');
    next[index] = { admin: 'ready', endpoint };
  }
  // A server that was just taken away comes last: see the top of this file.
  const free = [...slot.keys()].filter((index) => next[index]?.admin === 'maint');
  free.sort((a, b) => Number(slot[a]?.admin !== 'maint') - Number(slot[b]?.admin !== 'maint'));
  for (const [order, endpoint] of missing.entries()) {
    const index = free[order];
    if (index === undefined) break;
    // `health up`: the leader key has just vouched for it, so one unlucky first check shall not take it down.
    tell(index, `addr ${endpoint.host} port ${endpoint.port}`, checkAddress(endpoint), 'state ready', 'health up');
    next[index] = { admin: 'ready', endpoint };
  }
  return { commands, next };
}

const checkAddress = (endpoint: Endpoint): string => `check-addr ${endpoint.checkHost} port ${endpoint.checkPort}`;

const isSameServer = (a: Endpoint, b: Endpoint): boolean => a.host === b.host && a.port === b.port;

const isSameCheck = (a: Endpoint, b: Endpoint): boolean => a.checkHost === b.checkHost && a.checkPort === b.checkPort;
