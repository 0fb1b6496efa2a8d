import { allocationKey, nextPortKey, portKey } from '../../schema/routing.ts';
import type { InstanceView } from '../view/instance-view.ts';
import type { Draft } from './decision.ts';
import type { Remark } from './findings.ts';

/** What a pass found out about the instance's public port. */
export interface Routing {
  /** The port as it is once the decision is committed, undefined when it has none or must not use it. */
  readonly port: number | undefined;
  /** The revision of the allocation, undefined when it is only being written. */
  readonly allocatedAt: bigint | undefined;
  /** Why the instance cannot have or use its port. */
  readonly problem: Remark | undefined;
}

// The quarantine of some port may have ended by then.
const lookForPortAfterMs = 3_600_000;

/**
 * Sees to the instance's public port. It is taken once and kept for ever: the allocation and the port's own key are
 * written together, each only if absent, so that whatever races or crashes, a port has one holder. An allocation that
 * somebody lost is restored from the port's key or from the state; a port that two instances claim is changed for none.
 */
export function decideRouting(view: InstanceView, mayWrite: boolean, now: Date, draft: Draft): Routing {
  const { allocation } = view;
  if (!allocation)
    return mayWrite ? takePort(view, now, draft) : { port: undefined, allocatedAt: undefined, problem: undefined };
  const allocatedAt = allocation.modRevision;
  if (!allocation.value.ok) return { port: undefined, allocatedAt, problem: undefined };
  const port = allocation.value.value;
  const holder = view.herd.portHolder(port);
  if (holder === view.id) return { port, allocatedAt, problem: undefined };
  const others = view.herd.allocatedTo(port).filter((id) => id !== view.id);
  if (holder === undefined && others.length === 0) {
    if (mayWrite) {
      draft.guard(allocationKey(view.id), allocatedAt);
      draft.create(portKey(port), view.id);
      draft.takesPort = port;
    }
    return { port, allocatedAt, problem: undefined };
  }
  return { port: undefined, allocatedAt, problem: conflict(port, holder ?? others.join(', ')) };
}

function takePort(view: InstanceView, now: Date, draft: Draft): Routing {
  const { heldPorts, state } = view;
  const told = state?.value.ok ? state.value.value.allocatedPort : undefined;
  const kept = told !== undefined && heldPorts.includes(told) ? told : (heldPorts[0] ?? told);
  if (kept !== undefined) return restorePort(view, kept, draft);
  const { portRange } = view.herd.settings;
  const next = view.herd.nextPort;
  if (!next?.value.ok) {
    const found = next ? `cannot be read (${next.value.ok ? '' : next.value.problem})` : 'is missing';
    const message = `${nextPortKey} ${found}, so no port is handed out; restore it, at least one above every allocated port`;
    return { port: undefined, allocatedAt: undefined, problem: { reason: 'NextPortUnreadable', message } };
  }
  const promised = view.promisedPort !== undefined && view.herd.portHolder(view.promisedPort) === view.id;
  const port = promised ? view.promisedPort : freePort(view, view.herd.portHint ?? next.value.value, now);
  if (port === undefined) {
    draft.waitsForRoom = true;
    draft.lookAgainIn(lookForPortAfterMs);
    const message = `all ports of ${portRange.first}-${portRange.last} are taken, or were a short time ago; widen the range`;
    return { port, allocatedAt: undefined, problem: { reason: 'PortsExhausted', message } };
  }
  writePort(view, port, draft);
  advanceNextPort(next.value.value, next.modRevision, port === portRange.last ? portRange.first : port + 1, draft);
  return { port, allocatedAt: undefined, problem: undefined };
}

function restorePort(view: InstanceView, port: number, draft: Draft): Routing {
  const holder = view.herd.portHolder(port);
  const others = view.herd.allocatedTo(port);
  if ((holder !== undefined && holder !== view.id) || others.length > 0) {
    return { port: undefined, allocatedAt: undefined, problem: conflict(port, holder ?? others.join(', ')) };
  }
  if (holder === view.id) draft.create(allocationKey(view.id), String(port));
  else writePort(view, port, draft);
  draft.event('Warning', 'PortRestored', `the allocation of public port ${port} was lost and is written again`);
  return { port, allocatedAt: undefined, problem: undefined };
}

function writePort({ id, herd }: InstanceView, port: number, draft: Draft): void {
  draft.create(allocationKey(id), String(port));
  const quarantine = herd.quarantine(port);
  if (quarantine) draft.replace(portKey(port), quarantine.modRevision, id);
  else draft.create(portKey(port), id);
  draft.takesPort = port;
}

// Others take ports at the same time, and of two the later may come first: it is enough that the next port only grows.
// It has five digits always, so it grows as text. When it wraps around nobody may have moved it. One that stays behind
// costs the next who looks for a port some steps, and nothing else: only the port's own key makes it unique.
function advanceNextPort(present: number, modRevision: bigint, next: number, draft: Draft): void {
  if (next > present) draft.raise(nextPortKey, String(next));
  else draft.replace(nextPortKey, modRevision, String(next));
}

/** The first port at or after `from` that nobody has or had a short time ago, once around the range. */
function freePort({ herd }: InstanceView, from: number, now: Date): number | undefined {
  const { first, last } = herd.settings.portRange;
  const isFree = (port: number): boolean => {
    const quarantine = herd.quarantine(port);
    return quarantine ? quarantine.untilMs <= now.getTime() : herd.portHolder(port) === undefined;
  };
  const size = last - first + 1;
  const start = from >= first && from <= last ? from - first : 0;
  for (let step = 0; step < size; step++) {
    const port = first + ((start + step) % size);
    if (isFree(port) && herd.allocatedTo(port).length === 0) return port;
  }
  return undefined;
}

const conflict = (port: number, other: string): Remark => ({
  reason: 'PortConflict',
  message: `public port ${port} is also that of ${other}, so it is not used; delete the allocation that is wrong`,
});
