import type { Listener } from './haproxy-config.ts';
import { emptySlot, type Server, type SlotRole } from './slot.ts';

/** Reads the answer to `show servers state`: what an HAProxy that runs already has behind its ports. */
export function parseServersState(answer: string): Map<number, Listener> {
  const listeners = new Map<number, { port: number; role: SlotRole; slot: Server[] }>();
  let columns: readonly string[] = [];
  for (const line of answer.split('\n')) {
    if (line.startsWith('# ')) columns = line.slice(2).split(' ');
    const values = line.split(' ');
    if (values.length !== columns.length) continue;
    const value = (column: string): string => values[columns.indexOf(column)] ?? '';
    const backend = /^([pr])(\d+)$/.exec(value('be_name'));
    const index = Number(/^s(\d+)$/.exec(value('srv_name'))?.[1]) - 1;
    if (!backend || !(index >= 0)) continue;
    const port = Number(backend[2]);
    const role = backend[1] === 'p' ? 'leader' : 'replicas';
    const listener = listeners.get(port) ?? { port, role, slot: [...emptySlot(role)] };
    listeners.set(port, listener);
    const host = value('srv_addr');
    const checkHost = value('srv_check_addr');
    listener.slot[index] = {
      admin: adminState(Number(value('srv_admin_state'))),
      endpoint: {
        host,
        port: Number(value('srv_port')),
        checkHost: checkHost === '-' ? host : checkHost,
        checkPort: Number(value('srv_check_port')),
      },
    };
  }
  return listeners;
}

// Bits of HAProxy's srv_admin_state. 4, disabled in the configuration, stays set when the server has long been enabled.
const maintenance = 0x01 | 0x02 | 0x20 | 0x40;
const drain = 0x08 | 0x10;

function adminState(bits: number): Server['admin'] {
  if (bits & maintenance) return 'maint';
  return bits & drain ? 'drain' : 'ready';
}
