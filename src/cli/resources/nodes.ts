import { addressOf } from '../../schema/patroni.ts';
import { herdRanges } from '../read-herd.ts';
import { type NodeStatus, nodeStatus } from '../status.ts';
import { type Resource, readable } from './resource.ts';

const observed = ({ node }: NodeStatus) => (node.observed?.ok ? node.observed.value : undefined);
const number = (value: number | undefined): string => (value === undefined ? '' : String(value));

export const nodes: Resource<NodeStatus> = {
  names: ['nodes', 'node', 'no', 'n'],
  ranges: herdRanges,
  rows: (herd) => [...herd.nodes.values()].map((node) => nodeStatus(node, herd)),
  id: ({ node }) => node.id,
  matches: ({ node }, name) => node.id === name || node.instance === name,
  columns: () => [
    { heading: 'NAME', show: ({ node }) => node.id },
    { heading: 'INSTANCE', show: ({ node }) => node.instance },
    { heading: 'CELL', show: ({ node }) => node.cell },
    { heading: 'RUNTIME', show: ({ runtime }) => runtime ?? '' },
    { heading: 'ROLE', show: ({ role }) => role ?? '' },
    { heading: 'STATE', show: ({ state }) => state },
    { heading: 'READY', show: ({ ready }) => (ready ? 'yes' : 'no') },
    { heading: 'RESTARTS', show: (row) => number(observed(row)?.restarts) },
    { heading: 'ADDRESS', show: ({ member }) => (member && addressOf(member.conn_url)) ?? '' },
    { heading: 'PID', wide: true, show: (row) => number(observed(row)?.pid) },
    { heading: 'ZONE', wide: true, show: ({ zone }) => zone ?? '' },
    { heading: 'PATRONI', wide: true, show: ({ member }) => member?.state ?? '' },
    { heading: 'TIMELINE', wide: true, show: ({ member }) => number(member?.timeline) },
    { heading: 'API', wide: true, show: ({ member }) => (member && addressOf(member.api_url)) ?? '' },
    { heading: 'ERROR', wide: true, show: (row) => observed(row)?.last_error ?? '' },
  ],
  json: ({ node, member, runtime, zone, role, state, ready }) => ({
    id: node.id,
    instance: node.instance,
    cell: node.cell,
    zone,
    runtime,
    role,
    state,
    ready,
    // conn_url may carry a password: other programs write members too.
    member: member && { ...member, conn_url: addressOf(member.conn_url), api_url: addressOf(member.api_url) },
    assignment: readable(node.assignment),
    observed: readable(node.observed),
  }),
};
