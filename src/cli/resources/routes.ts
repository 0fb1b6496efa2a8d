import { condition } from '../../schema/observed-state.ts';
import { addressOf } from '../../schema/patroni.ts';
import { herdRanges } from '../read-herd.ts';
import { named } from '../status.ts';
import { type InstanceRow, instanceRow } from './instances.ts';
import type { Resource } from './resource.ts';

const port = ({ instance }: InstanceRow): string =>
  instance.allocation?.ok === false ? 'unreadable' : String(instance.allocation?.value ?? '');

function server({ instance }: InstanceRow): string | undefined {
  const leader = instance.leader === undefined ? undefined : instance.members.get(instance.leader);
  return leader?.ok ? addressOf(leader.value.conn_url) : undefined;
}

const leaderRuntime = ({ instance, nodes }: InstanceRow): string | undefined =>
  nodes.find(({ node }) => node.id === instance.leader)?.runtime;

const routed = ({ state }: InstanceRow) => state && condition(state, 'Routed');

export const routes: Resource<InstanceRow> = {
  names: ['routes', 'route', 'rt'],
  ranges: herdRanges,
  rows: (herd) =>
    [...herd.instances.values()].filter(({ allocation }) => allocation).map((each) => instanceRow(each, herd)),
  id: ({ instance }) => instance.id,
  matches: (row, name) => row.instance.id === name || port(row) === name,
  columns: () => [
    { heading: 'INSTANCE', show: ({ instance }) => instance.id },
    { heading: 'PORT', show: port },
    { heading: 'LEADER', show: (row) => named(row.instance.leader ?? '', leaderRuntime(row)) },
    { heading: 'SERVER', show: (row) => server(row) ?? '' },
    { heading: 'ROUTED', show: (row) => routed(row)?.status ?? 'Unknown' },
    { heading: 'ENDPOINT', show: ({ state }) => state?.endpoint ?? '' },
    { heading: 'READ-ONLY', show: ({ state }) => state?.read_only_endpoint ?? '' },
    { heading: 'MESSAGE', wide: true, show: (row) => routed(row)?.message ?? '' },
  ],
  json: (row) => ({
    instance: row.instance.id,
    port: row.instance.allocation?.ok ? row.instance.allocation.value : undefined,
    leader: row.instance.leader,
    server: server(row),
    routed: routed(row),
    endpoint: row.state?.endpoint,
    read_only_endpoint: row.state?.read_only_endpoint,
  }),
};
