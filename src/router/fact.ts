import type { InstanceId, NodeId } from '../schema/ids.ts';
import type { Parsed } from '../schema/parsed.ts';
import { type Member, parseMember, parseScopeKey, servicePrefix } from '../schema/patroni.ts';
import { allocationPrefix, parsePort, portsPrefix, routingPrefix } from '../schema/routing.ts';
import { type KeyRange, type KeyValue, prefixRange } from '../store/store.ts';

/** What one key says to a router. */
export type Fact =
  | { readonly kind: 'allocation'; readonly instance: InstanceId; readonly port: Parsed<number> }
  | { readonly kind: 'holder'; readonly port: number; readonly instance: InstanceId }
  | { readonly kind: 'leader'; readonly instance: InstanceId; readonly node: NodeId }
  | { readonly kind: 'member'; readonly instance: InstanceId; readonly node: NodeId; readonly member: Parsed<Member> }
  | { readonly kind: 'other' };

/** `/routing/` and `/service/` are neighbours: one range, one watch, and so one revision that is exact for both. */
export const routingRange: KeyRange = { start: routingPrefix, end: prefixRange(servicePrefix).end };

const other: Fact = { kind: 'other' };

/** Reads one pair of `routingRange`. */
export function parseFact({ key, value }: KeyValue): Fact {
  if (key.startsWith(allocationPrefix)) {
    return { kind: 'allocation', instance: key.slice(allocationPrefix.length) as InstanceId, port: parsePort(value) };
  }
  if (key.startsWith(portsPrefix)) {
    const port = parsePort(key.slice(portsPrefix.length));
    return port.ok ? { kind: 'holder', port: port.value, instance: value as InstanceId } : other;
  }
  const scope = parseScopeKey(key);
  if (!scope) return other;
  if (scope.rest === 'leader') return { kind: 'leader', instance: scope.instance, node: value as NodeId };
  const member = /^members\/([^/]+)$/.exec(scope.rest)?.[1];
  if (member === undefined) return other;
  return { kind: 'member', instance: scope.instance, node: member as NodeId, member: parseMember(value) };
}
