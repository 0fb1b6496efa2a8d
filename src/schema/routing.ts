import { z } from 'zod';
import type { InstanceId, RouterId } from './ids.ts';
import { parseJson } from './json.ts';
import { bad, good, type Parsed } from './parsed.ts';

/** Everything under `/routing` is the contract with tenants and cannot be rebuilt: back it up, never derive it. */
export const routingPrefix = '/routing/';

/** `/routing/allocation/<id>`: the instance's permanent public port, decimal. */
export const allocationPrefix = '/routing/allocation/';
export const allocationKey = (id: InstanceId): string => `${allocationPrefix}${id}`;

/** `/routing/nextport`: the next port to be handed out, decimal. */
export const nextPortKey = '/routing/nextport';

/** `/routing/ports/<port>`: the id of the instance that holds the port; create-only, so a port has one holder. */
export const portsPrefix = '/routing/ports/';
export const portKey = (port: number): string => `${portsPrefix}${port}`;

/** `/routing/routers/<router>`: written by the router on its lease. */
export const routersPrefix = '/routing/routers/';
export const routerKey = (router: RouterId): string => `${routersPrefix}${router}`;

/** Where public ports come from. Five digits always, so that ports compare as text; below the kernel's own range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}
export const defaultPortRange: PortRange = { first: 30000, last: 32767 };

/** Reads `30000-32767`. */
export function parsePortRange(text: string): Parsed<PortRange> {
  const match = /^(\d{5})-(\d{5})$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (!match || first < 10000 || last > 65535 || first > last) {
    return bad(
      `port range is ${JSON.stringify(text)}: expected FIRST-LAST, from 10000 to 65535, for example 30000-32767`,
    );
  }
  return good({ first, last });
}

/** The port of the read-only block that belongs to a public port: the block of the same size right below. */
export const readOnlyPort = (port: number, range: PortRange): number => port - (range.last - range.first + 1);

/** Reads an allocated port or the next port: a decimal from 1 to 65535. */
export function parsePort(text: string): Parsed<number> {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535)
    return bad(`${JSON.stringify(text.slice(0, 40))} is not a port`);
  return good(port);
}

const routerShape = z.object({
  router: z.string().min(1),
  /** The host that clients connect to. */
  address: z.string().min(1),
  /** Every route that follows from the store up to this revision is live, decimal. */
  applied_revision: z.string().regex(/^\d+$/),
  /** Ports of the block that another program holds on this router: not served. */
  refused_ports: z.array(z.number().int()).default([]),
  ports: z.string(),
  version: z.string(),
  metrics: z.string().optional(),
});
export type RouterRegistration = z.infer<typeof routerShape>;
export const parseRouter = (text: string): Parsed<RouterRegistration> =>
  parseJson(text, routerShape as unknown as z.ZodType<RouterRegistration>);
